"""Which of two responses reflects more values, by a judge (Modular Pluralism §4 and App. A, overton w/ GPT-4).

    [ResponsePair] ──both orders──> ModelJudge ──"1", "2", "tie", or words──> choice | RequestFailure
                                      └ a chunk of pairs: one batch of the engine ──> one batch of the journal
    choice, choice ──> PairVerdict          (what the verdicts come to is in `standings`)

Every pair is asked about as (a, b) and as (b, a); it is won only where both answers name the same response, else it is
a tie. An answer that names none of the three is counted as unparsed and stands for a tie; a judge none of whose answers
names one has said nothing, and has no shares. A pair fails where an order got no answer: the responses do not fit the
judge's context (nothing is ever cut), or the model failed. It is counted and left out; the others go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import Unsupported
from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.batch_calls import Asker, RequestFailure, failure_in
from pluralism_local.evaluation.identity import model_key
from pluralism_local.evaluation.journal import Journal, Record
from pluralism_local.evaluation.metrics.agreement import JudgeChoice, PairOutcome
from pluralism_local.evaluation.runner import RunProgress
from pluralism_local.evaluation.stored import StoredChoice
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.files import digest
from pluralism_local.modes.aggregate import STAND_IN
from pluralism_local.modes.selection import NOT_MEANT, WORDS
from pluralism_local.prompts import JUDGE_PAIR
from pluralism_local.types import Completion, Message, OptionDistribution, OptionRequest, Request

CHUNK = 8
"""Pairs that are asked about together, in both orders: 16 prompts, which fill an engine's batches."""

CHOICES: tuple[JudgeChoice, ...] = ("1", "2", "tie")

_NUMBER = r"(?:responses?\s*)?#?\s*"
# "1, 2, or tie" (the question again) and "Responses 1 and 2" name both, and so neither
_BOTH = re.compile(rf"\b{_NUMBER}1\s*(?:,|and|or|&|/)\s*{_NUMBER}2(?:\s*,?\s*or\s+(?:a\s+)?tie)?\b")
_NAMED = re.compile(r"(?:\bresponse\s*|(?<!\w)(?<!\d[.,/]))(1|2|tied?)(?!\w|[.,/]\d|-\w)")
_CHOICE_OF: Mapping[str, JudgeChoice] = {"1": "1", "2": "2", "tie": "tie", "tied": "tie"}


@dataclass(frozen=True, slots=True)
class ResponsePair:
    """Two responses to a situation. `id` is the sample's; pairs of one situation are not independent."""

    id: str
    situation: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """What a judge said of a pair: asked about (a, b), and about (b, a), where "1" is b. None: unparsed."""

    first: JudgeChoice | None
    second: JudgeChoice | None

    @property
    def choices(self) -> tuple[JudgeChoice, JudgeChoice]:
        """Both answers, with a tie for an unparsed one."""
        return self.first or "tie", self.second or "tie"

    @property
    def silent(self) -> bool:
        """Neither answer could be read."""
        return self.first is None and self.second is None

    @property
    def outcome(self) -> PairOutcome:
        """For a."""
        return metrics.outcome(metrics.two_orders(*self.choices))

    @property
    def flipped(self) -> bool:
        """Both answers name the same place, and so different responses."""
        return self.choices in (("1", "1"), ("2", "2"))

    @property
    def inconsistent(self) -> bool:
        """A tie only because the answers differ: flipped, or a tie in one order alone."""
        return self.outcome == "tie" and self.choices != ("tie", "tie")


PairJudgement = PairVerdict | RequestFailure | None
"""Of a pair; None: not yet."""


def read_choice(reply: str) -> JudgeChoice | None:
    """The first of 1, 2 and tie that stands in `reply` as a word ("Response #2 …", "**1**", "It is a tie.").

    Numbers that are part of others ("10", "1.5", "1/10"), that count ("of the 2 responses") or that are excluded
    ("not 1") are none, and "Responses 1 and 2" or the question's own "1, 2, or tie" names neither. None where nothing
    is named.
    """
    named = _NAMED.search(NOT_MEANT.sub(" ", _BOTH.sub(" ", reply.lower())))
    return None if named is None else _CHOICE_OF[named[1]]


def most_probable(shares: OptionDistribution) -> JudgeChoice | None:
    """Of `CHOICES`; a tie if several are equally probable, None if none has any probability."""
    if shares.method == STAND_IN:
        return None
    best = [choice for choice, p in zip(CHOICES, shares.p, strict=True) if p == max(shares.p)]
    return best[0] if len(best) == 1 else "tie"


class ModelJudge:
    """A model as a judge.

    Args:
        words: read what it says even if it gives probabilities, as the paper does with GPT-4.
        variant: whatever else its answers depend on, e.g. how prompts are templated.

    Attributes:
        identity: of model, prompt, way of asking and variant; hex.
    """

    def __init__(self, engine: LanguageModel, *, words: bool = False, variant: str = "") -> None:
        info = engine.info
        self.info = info
        self.by_words = words or engine.capabilities.distribution == "none"
        self.identity = digest(
            [model_key(info), JUDGE_PAIR.id, "words" if self.by_words else "probabilities", variant]
        )
        self._asker = Asker(engine)

    def key(self, situation: str, first: str, second: str) -> str:
        """Of a question, all that its answer depends on."""
        return digest([self.identity, situation, first, second])[:24]

    def ask(self, questions: Sequence[tuple[str, str, str]]) -> list[dict[str, Any]]:
        """What the journal keeps per (situation, first, second).

        "choice" (null: unparsed) with "p" over `CHOICES` and the mass "outside", or with what was "said"; or "error".

        Raises:
            Unsupported: the server gives no probabilities after all.
            PlocalError: as `Asker`.
        """
        messages = [(Message("user", _wording(*question)),) for question in questions]
        if self.by_words:
            texts = self._asker.texts([Request(question, WORDS) for question in messages])
            return [_record(text) for text in texts]
        try:
            distributions = self._asker.distributions(
                [OptionRequest(question, CHOICES) for question in messages]
            )
        except Unsupported as error:
            raise Unsupported(error.message, "Give --words: then what the judge says is read.") from error
        return [_record(distribution) for distribution in distributions]


def judge_file(folder: Path, judge: ModelJudge) -> Path:
    """Where this judge's answers lie."""
    return folder / f"judge-{judge.identity[:12]}.jsonl"


def judge_pairs(
    judge: ModelJudge,
    journal: Journal,
    pairs: Mapping[str, Sequence[ResponsePair]],
    *,
    beside: Sequence[Record] = (),
    retry: bool = False,
    should_stop: ShouldStop = never,
    progress: Callable[[RunProgress], None] = lambda _: None,
) -> dict[str, list[PairJudgement]]:
    """A verdict per pair, by opponent and in order; what the journal has is not asked again.

    A chunk of every opponent comes before the next chunk of any, so that opponents are comparable after a stop.

    Args:
        journal: open for writing, of this judge alone.
        beside: records that other runs kept of this judge (see `beside`).
        retry: ask again where it failed.
        should_stop: asked between chunks; what is finished stays, the rest is None.
        progress: counts answers, two to a pair; equal ones once.

    Raises:
        Unsupported, PlocalError: as `ModelJudge.ask`; finished chunks stay.
        OSError: no room; finished chunks stay.
    """
    check_records(StoredChoice, journal.records, journal.path)
    choices = {record["key"]: _answer(record) for record in journal.records}
    if retry:
        choices = {key: choice for key, choice in choices.items() if not isinstance(choice, RequestFailure)}
    keys = {key for row in pairs.values() for pair in row for key in _questions(judge, pair)}
    used = {
        record["key"]: record
        for record in beside
        if record["key"] in keys - choices.keys() and "error" not in record
    }
    journal.append(list(used.values()))
    choices |= {key: _answer(record) for key, record in used.items()}

    def tell(opponent: str) -> None:
        answered = [choices[key] for key in keys if key in choices]
        failed = sum(isinstance(choice, RequestFailure) for choice in answered)
        progress(RunProgress(opponent, len(answered), len(keys), failed))

    tell("begun")
    for opponent, chunk in _chunks(pairs):
        missing = {
            key: (pair.id, question)
            for pair in chunk
            for key, question in _questions(judge, pair).items()
            if key not in choices
        }
        if missing and should_stop():
            break
        if missing:
            records = judge.ask([question for _, question in missing.values()])
            about = [{"key": key, "sample": sample} for key, (sample, _) in missing.items()]
            journal.append([{**what, **record} for what, record in zip(about, records, strict=True)])
            choices |= {key: _answer(record) for key, record in zip(missing, records, strict=True)}
            tell(opponent)
    return {opponent: [_verdict(judge, pair, choices) for pair in row] for opponent, row in pairs.items()}


def _chunks(pairs: Mapping[str, Sequence[ResponsePair]]) -> Iterator[tuple[str, Sequence[ResponsePair]]]:
    """Cut from the whole lists and never from what is missing, so that batches are the same after a stop."""
    for start in range(0, max(map(len, pairs.values()), default=0), CHUNK):
        for opponent, row in pairs.items():
            yield opponent, row[start : start + CHUNK]


def _questions(judge: ModelJudge, pair: ResponsePair) -> dict[str, tuple[str, str, str]]:
    """By key, both orders; they are one question if the responses are the same."""
    orders = (pair.situation, pair.a, pair.b), (pair.situation, pair.b, pair.a)
    return {judge.key(*order): order for order in orders}


def _verdict(
    judge: ModelJudge, pair: ResponsePair, choices: Mapping[str, JudgeChoice | RequestFailure | None]
) -> PairJudgement:
    keys = list(_questions(judge, pair))
    if any(key not in choices for key in keys):
        return None
    first, second = choices[keys[0]], choices[keys[-1]]
    if isinstance(first, RequestFailure):
        return first
    return second if isinstance(second, RequestFailure) else PairVerdict(first, second)


def _wording(situation: str, first: str, second: str) -> str:
    return JUDGE_PAIR.render(situation=situation.strip(), first=first.strip(), second=second.strip())


def _record(reply: Completion | OptionDistribution | RequestFailure) -> dict[str, Any]:
    if isinstance(reply, RequestFailure):
        return reply.record()
    if isinstance(reply, Completion):
        return {"choice": read_choice(reply.text), "said": reply.text}
    return {"choice": most_probable(reply), "p": list(reply.p), "outside": reply.unassigned_mass}


def _answer(record: Mapping[str, Any]) -> JudgeChoice | RequestFailure | None:
    """None: unparsed."""
    choice: JudgeChoice | None = record.get("choice")
    return failure_in(record) or choice
