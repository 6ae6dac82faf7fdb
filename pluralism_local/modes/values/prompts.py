"""How a model is asked for values, rights and duties: an LLM in our own words, Kaleido in those of its training.

    situation, Stake ──ValueWordings──> Wording of a list, of relevance, of support and opposition, of a reason

The situation comes before the value, so that an engine reads it once for all values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import Prompt
from pluralism_local.types import Sampling
from pluralism_local.values.stakes import Kind, Leaning, Stake

LIST = Prompt(
    "values.list",
    1,
    "own: the values, rights and duties at stake, in the kinds of Value Kaleidoscope",
    "Situation: {situation}\n\nWhich human values, rights and duties are at stake in this situation, or when people "
    "judge it? Think of everybody it concerns, and of reasons for it and against it. Name each in one to six words, "
    'without explanation, as JSON: {{"values": [...], "rights": [...], "duties": [...]}}',
)

RELEVANCE = Prompt(
    "values.relevance",
    1,
    "own: whether a value, right or duty is at stake",
    "Situation: {situation}\n\n{kind}: {name}\n\nIs this {small_kind} at stake in the situation? Answer Yes or No.",
)

SUPPORTS = Prompt(
    "values.supports",
    1,
    "own: whether a value supports a situation, or of a question its answer yes",
    "Situation: {situation}\n\n{kind}: {name}\n\nDoes this {small_kind} support {what}? Answer Yes or No.",
)

OPPOSES = Prompt(
    "values.opposes",
    1,
    "own: whether a value opposes a situation, or of a question its answer yes",
    "Situation: {situation}\n\n{kind}: {name}\n\nDoes this {small_kind} oppose {what}? Answer Yes or No.",
)

REASON = Prompt(
    "values.reason",
    1,
    "own: why a value has the valence that it was given",
    "Situation: {situation}\n\n{kind}: {name}\n\nSay in one plain sentence why this {small_kind} {leaning}.",
)

_CARD = "Kaleido's model card: the form of its inputs"

KALEIDO_GENERATE = Prompt("values.kaleido-generate", 1, _CARD, "[Generate]:\tSituation: {situation}")

KALEIDO_RELEVANCE = Prompt(
    "values.kaleido-relevance", 1, _CARD, "[Relevance]:\tSituation: {situation}\t{kind}: {name}"
)

KALEIDO_VALENCE = Prompt(
    "values.kaleido-valence", 1, _CARD, "[Valence]:\tSituation: {situation}\t{kind}: {name}"
)

KALEIDO_EXPLANATION = Prompt(
    "values.kaleido-explanation", 1, _CARD, "[Explanation]:\tSituation: {situation}\t{kind}: {name}"
)

NOWHERE = "N/A"
"""Stands for the situation where the answer without one is asked for (Zhao et al., "Calibrate Before Use", 2021)."""

LEAN: Mapping[Leaning, str] = {
    "support": "speaks for it",
    "oppose": "speaks against it",
    "either": "can speak for it or against it",
}
"""The leanings as the LLM is told them when it is asked for a reason."""

_ASKS = ("?", "\uff1f", "\u061f")

NAMES: Mapping[Kind, str] = {"value": "Value", "right": "Right", "duty": "Duty"}


class ValueWordings(ABC):
    """How one kind of model is asked.

    Attributes:
        agrees: the words for yes and no, weighed after `relevance`, and after `valence` where there are no leanings.
        leanings: those weighed after `valence` for support, opposition and either; None for a question about each of
            the first two.
        calibrated: relevance is told against what the model says without the situation.
        first, more: lists that are drawn to begin with, and where these gave too few, of `list_tokens` at most each.
    """

    agrees: ClassVar[tuple[str, str]] = ("Yes", "No")
    leanings: ClassVar[tuple[str, str, str] | None]
    calibrated: ClassVar[bool]
    first: ClassVar[int]
    more: ClassVar[int]
    list_tokens: ClassVar[int]

    @abstractmethod
    def list_sampling(self, seed: int, draw: int) -> Sampling:
        """How the list is drawn for the time `draw`, from 0."""

    @abstractmethod
    def list(self, situation: str) -> Wording:
        """What is at stake."""

    @abstractmethod
    def relevance(self, situation: str, stake: Stake) -> Wording:
        """Whether it is at stake."""

    @abstractmethod
    def valence(self, situation: str, stake: Stake) -> tuple[Wording, ...]:
        """What it does with the situation: one question where there are leanings, else support and opposition."""

    @abstractmethod
    def reason(self, situation: str, stake: Stake, leaning: Leaning) -> Wording:
        """Why it does so."""


class LlmWordings(ValueWordings):
    """For a language model that follows instructions."""

    leanings = None
    calibrated = True
    first, more = 1, 3
    list_tokens = 260

    def list_sampling(self, seed: int, draw: int) -> Sampling:
        """The most probable list, then others."""
        if draw == 0:
            return Sampling(max_tokens=self.list_tokens, seed=seed)
        return Sampling(temperature=1.0, top_p=0.9, max_tokens=self.list_tokens, seed=(seed + draw) % 2**32)

    def list(self, situation: str) -> Wording:
        return word(LIST, situation=situation)

    def relevance(self, situation: str, stake: Stake) -> Wording:
        return word(RELEVANCE, situation=situation, **_named(stake))

    def valence(self, situation: str, stake: Stake) -> tuple[Wording, ...]:
        what = "the answer yes" if situation.rstrip().endswith(_ASKS) else "doing it"
        about = {"situation": situation, "what": what, **_named(stake)}
        return word(SUPPORTS, **about), word(OPPOSES, **about)

    def reason(self, situation: str, stake: Stake, leaning: Leaning) -> Wording:
        return word(REASON, situation=situation, leaning=LEAN[leaning], **_named(stake))


class KaleidoWordings(ValueWordings):
    """For Kaleido, in the words of its training, which made it calibrated."""

    leanings = ("Supports", "Opposes", "Either")
    calibrated = False
    first, more = 40, 40
    list_tokens = 24

    def list_sampling(self, seed: int, draw: int) -> Sampling:
        """One value each time."""
        return Sampling(temperature=1.0, top_p=0.95, max_tokens=self.list_tokens, seed=(seed + draw) % 2**32)

    def list(self, situation: str) -> Wording:
        return word(KALEIDO_GENERATE, situation=_untabbed(situation))

    def relevance(self, situation: str, stake: Stake) -> Wording:
        return word(KALEIDO_RELEVANCE, **_tabbed(situation, stake))

    def valence(self, situation: str, stake: Stake) -> tuple[Wording, ...]:
        return (word(KALEIDO_VALENCE, **_tabbed(situation, stake)),)

    def reason(self, situation: str, stake: Stake, leaning: Leaning) -> Wording:
        del leaning
        return word(KALEIDO_EXPLANATION, **_tabbed(situation, stake))


LLM, KALEIDO = LlmWordings(), KaleidoWordings()


def _named(stake: Stake) -> dict[str, str]:
    return {"kind": NAMES[stake.kind], "small_kind": stake.kind, "name": stake.text}


def _tabbed(situation: str, stake: Stake) -> dict[str, str]:
    return {"situation": _untabbed(situation), "kind": NAMES[stake.kind], "name": _untabbed(stake.text)}


def _untabbed(text: str) -> str:
    """On one line: a tab parts the fields."""
    return " ".join(text.split())
