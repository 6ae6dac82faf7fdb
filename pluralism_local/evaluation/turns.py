"""The LLM's part in a method, for many samples at once: choose a community, answer a text, count what it costs.

{sample id: (sample, text)} ──say──> Prediction | Failure      by the options' probabilities, or in words
                            ──choose──> Chosen | Failure       by the probabilities of the numbers, or in words
[(sample, text, options)] ──weigh──> OptionDistribution | Failure

In words where the LLM gives no probabilities. A server says only with its first answer that it gives none: from then on
it is asked in words. Numbers above 9 need more than the next token (see `modes.choosing`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pluralism_local.engine.base import LanguageModel
from pluralism_local.errors import Unsupported
from pluralism_local.evaluation.asking import Asker, Failure
from pluralism_local.evaluation.basis import ALREADY_CLEAR
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.tasks import Task
from pluralism_local.modes.aggregate import STAND_IN, weakest
from pluralism_local.modes.choosing import WORDS, named_numbers, tells_apart
from pluralism_local.modes.comments import Voice
from pluralism_local.modes.options import letters
from pluralism_local.types import Message, OptionDistribution, OptionRequest, Request, Sampling, Usage

LABEL_TOKENS = 20
"""New tokens where only a choice is wanted, as in the released code."""

Texts = Mapping[str, tuple[Sample, str]]
"""By sample id: the sample and the user message about it."""

Results = dict[str, Prediction | Failure]
"""By sample id."""


ChoiceMethod = Literal["probabilities", "parsed", "unclear", "fallback", "only"]
"""As in `types.Selection`; "unclear" is "parsed" where the words named several."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A community, and how it was chosen."""

    voice: Voice
    method: ChoiceMethod


@dataclass(frozen=True, slots=True)
class _Number:
    """Where the number stands that the LLM names, from 0; None: it names none."""

    place: int | None
    method: ChoiceMethod


class Turns:
    """An LLM over a task.

    Args:
        answer: how the LLM writes, where it writes.

    Attributes:
        usage: tokens by sample id and role, "communities" and "llm".

    Raises:
        Unsupported: the task needs probabilities, and the LLM gives none.
    """

    def __init__(self, llm: LanguageModel, task: Task, answer: Sampling) -> None:
        known = llm.capabilities.distribution
        if task.answers == "distribution" and known == "none":
            raise Unsupported(
                f"{llm.info.id} gives no probabilities, and {task.name} needs them.",
                "Use a local model or a server that gives logprobs.",
            )
        self._llm, self._task, self._answer = llm, task, answer
        self._asker = Asker(llm)
        self._by_probability = known != "none"
        self.usage: dict[str, dict[str, Usage]] = {}

    def begin(self, samples: Sequence[Sample]) -> None:
        """Count anew."""
        self.usage = {sample.id: {} for sample in samples}

    def spend(self, sample: Sample, role: str, usage: Usage) -> None:
        """Add tokens to a sample's role."""
        spent = self.usage[sample.id]
        spent[role] = spent.get(role, Usage()) + usage

    def weigh(
        self, asked: Sequence[tuple[Sample, str, tuple[str, ...]]]
    ) -> list[OptionDistribution | Failure]:
        """Probabilities of the options after each text, in order. A prompt is what they cost.

        Raises:
            Unsupported: the LLM gives none.
        """
        requests = [OptionRequest((Message("user", text),), options) for _, text, options in asked]
        found = self._asker.distributions(requests)
        for (sample, _, _), request in zip(asked, requests, strict=True):
            self.spend(sample, "llm", Usage(prompt=self._llm.count_tokens(request.messages) or 0))
        return found

    def say(self, texts: Texts) -> Results:
        """The LLM's answer to each text."""
        if self._task.answers == "text" or not self._by_probability:
            return self._write(texts)
        asked = [(sample, text, letters(len(sample.options))) for sample, text in texts.values()]
        try:
            weighed = self.weigh(asked)
        except Unsupported:
            if self._task.answers == "distribution":
                raise
            self._by_probability = False
            return self._write(texts)
        return {
            id: found if isinstance(found, Failure) else self.prediction([(1.0, found)])
            for id, found in zip(texts, weighed, strict=True)
        }

    def prediction(self, parts: Sequence[tuple[float, OptionDistribution]]) -> Prediction:
        """Σ w_i d_i of (w_i, d_i), at least one, as an answer; where a label is wanted, with the letter of its maximum.

        Where no option had any probability in any d_i there is no label.
        """
        p = [
            sum(weight * share for (weight, _), share in zip(parts, column, strict=True))
            for column in zip(*(found.p for _, found in parts), strict=True)
        ]
        stand_in = math.fsum(weight for weight, found in parts if found.method == STAND_IN)
        output = None
        if self._task.answers == "label" and not all(found.method == STAND_IN for _, found in parts):
            output = letters(len(p))[max(range(len(p)), key=p.__getitem__)]
        return Prediction(
            tuple(p),
            output,
            sum(weight * found.unassigned_mass for weight, found in parts),
            distribution_method=weakest(found.method for _, found in parts),
            stand_in=min(1.0, stand_in),
        )

    def already_clear(self) -> Prediction:
        """The answer to a question with a single option."""
        output = "A" if self._task.answers == "label" else None
        return Prediction((1.0,), output, 0.0, distribution_method=ALREADY_CLEAR)

    def choose(self, texts: Texts, voices: Mapping[str, Sequence[Voice]]) -> dict[str, Chosen | Failure]:
        """One of each sample's voices, of which there is at least one; a single one is not asked about."""
        chosen: dict[str, Chosen | Failure] = {
            id: Chosen(voices[id][0], "only") for id in texts if len(voices[id]) == 1
        }
        left = {id: texts[id] for id in texts if id not in chosen}
        for id, found in self._numbers(left, voices).items():
            if isinstance(found, Failure):
                chosen[id] = found
            elif found.place is None:  # the LLM names none: the heaviest, the first of equals
                chosen[id] = Chosen(max(voices[id], key=lambda voice: voice.member.weight), "fallback")
            else:
                chosen[id] = Chosen(voices[id][found.place], found.method)
        return chosen

    def _numbers(self, texts: Texts, voices: Mapping[str, Sequence[Voice]]) -> dict[str, _Number | Failure]:
        """The number that the LLM names, weighed where its probabilities tell them apart."""
        weighed = {
            id: text
            for id, text in texts.items()
            if self._by_probability and tells_apart(self._llm, len(voices[id]))
        }
        try:
            found = self._numbers_weighed(weighed, voices)
        except Unsupported:
            self._by_probability, found = False, {}
        left = {id: text for id, text in texts.items() if id not in found}
        return found | self._numbers_said(left, voices)

    def _numbers_weighed(
        self, texts: Texts, voices: Mapping[str, Sequence[Voice]]
    ) -> dict[str, _Number | Failure]:
        """The most probable number of each that has a probable one; the others are left out."""
        asked = [
            (sample, text, tuple(str(number) for number in range(1, len(voices[id]) + 1)))
            for id, (sample, text) in texts.items()
        ]
        found: dict[str, _Number | Failure] = {}
        for id, one in zip(texts, self.weigh(asked), strict=True):
            if isinstance(one, Failure):
                found[id] = one
            elif one.method != STAND_IN:
                found[id] = _Number(max(range(len(one.p)), key=one.p.__getitem__), "probabilities")
        return found

    def _numbers_said(
        self, texts: Texts, voices: Mapping[str, Sequence[Voice]]
    ) -> dict[str, _Number | Failure]:
        requests = [Request((Message("user", text),), WORDS) for _, text in texts.values()]
        found: dict[str, _Number | Failure] = {}
        for (id, (sample, _)), said in zip(texts.items(), self._asker.texts(requests), strict=True):
            if isinstance(said, Failure):
                found[id] = said
                continue
            self.spend(sample, "llm", said.usage)
            numbers = named_numbers(said.text, len(voices[id]))
            method: ChoiceMethod = "parsed" if len(numbers) <= 1 else "unclear"
            found[id] = _Number(numbers[-1] - 1 if numbers else None, method)
        return found

    def _write(self, texts: Texts) -> Results:
        tokens = self._answer.max_tokens if self._task.answers == "text" else LABEL_TOKENS
        sampling = replace(self._answer, max_tokens=tokens)
        requests = [Request((Message("user", text),), sampling) for _, text in texts.values()]
        results: Results = {}
        for (id, (sample, _)), said in zip(texts.items(), self._asker.texts(requests), strict=True):
            if isinstance(said, Failure):
                results[id] = said
                continue
            self.spend(sample, "llm", said.usage)
            results[id] = Prediction(output=said.text.strip())
        return results
