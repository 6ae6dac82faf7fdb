"""What the LLM makes of the voices' comments: the answers of whole asks.

    voices, their comments on a question ──an overton ask (modes.run), its comments read out──> its answer
                                                                                   ──> a line of the journal

An answer comes about as `plocal ask` brings it about, but for the comments, which are those that were judged. Its key
is all that it depends on. A question on which a voice is missing is passed over: it has no whole ask yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from pluralism_local import modes
from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.engine.borrowed import Borrowed, spoken_at_once
from pluralism_local.errors import EngineFailure
from pluralism_local.evaluation.identity import sampling_record
from pluralism_local.evaluation.journal import Journal, Record
from pluralism_local.evaluation.stored import Text
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.evaluation.voices.comments import Speakers, VoiceComment
from pluralism_local.files import digest
from pluralism_local.results import Result
from pluralism_local.types import (
    Completion,
    EngineEvent,
    Finish,
    Request,
    Sampling,
    Usage,
)

FILE = "answers.jsonl"
ANSWER = "(answer)"
"""Stands for a community's id; none can be called so."""


class StoredVoicesAnswer(BaseModel):
    """An answer as the journal keeps it; `prompts` are those that its ask used."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    key: str
    question: Text
    text: Text
    ends: bool
    prompts: list[str]


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answers, after which voices, and how the answer is drawn."""

    speakers: Speakers
    sampling: Sampling

    def key(self, question: str, comments: Sequence[VoiceComment]) -> str:
        """Of an answer, all that it depends on."""
        speakers, by_id = self.speakers, {comment.community: comment for comment in comments}
        spoken = [
            [speakers.key(question, member), by_id[member.community.id].text]
            for member in speakers.pool.members
        ]
        return digest([spoken, sampling_record(self.sampling)])[:24]

    def answer(
        self, question: str, comments: Sequence[VoiceComment], should_stop: ShouldStop = never
    ) -> Result:
        """The result of the ask; incomplete if it was stopped.

        Raises:
            PlocalError: as the engine does.
        """
        engine, pool = self.speakers.engine, self.speakers.pool
        engine.forget()  # as in a first ask: numbers depend on this question alone
        ask = modes.Ask(
            question,
            "overton",
            pool=pool,
            answer=self.sampling,
            comment=self.speakers.sampling,
        )
        by_id = {comment.community: comment for comment in comments}
        spoken = ReadOut(engine, [by_id[member.community.id] for member in pool.members])
        for event in modes.run(ask, llm=engine, communities=spoken, should_stop=should_stop):
            if isinstance(event, Result):
                return event
        raise TypeError("a mode ends with a Result")


class ReadOut(Borrowed):
    """The engine, in which the voices of an ask say what they have said already, in the pool's order."""

    def __init__(self, engine: LanguageModel, comments: Sequence[VoiceComment]) -> None:
        super().__init__(engine)
        self._comments = comments

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """Each request's comment, whole."""
        del should_stop
        for index, (_, comment) in enumerate(zip(requests, self._comments, strict=True)):
            finish: Finish = "length" if comment.ends is False else "stop"
            yield from spoken_at_once(index, Completion(comment.text, finish, Usage(), 0.0))


def write_answers(
    answerer: Answerer,
    questions: Sequence[str],
    comments: Sequence[VoiceComment],
    journal: Journal,
    *,
    should_stop: ShouldStop = never,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[VoiceComment]:
    """The answer to every question on which all voices commented, under the name `ANSWER`; fewer if it was stopped.

    Args:
        journal: open for writing.
        should_stop: asked between questions and while they are answered; an answer cut short is not kept.
        progress: told (answers there, answers wanted).

    Raises:
        PlocalError: as the engine does; finished answers stay.
    """
    check_records(StoredVoicesAnswer, journal.records, journal.path)
    stored = {record["key"]: record for record in journal.records}
    whole = _whole(answerer, questions, comments)
    keys = {question: answerer.key(question, own) for question, own in whole.items()}
    there = sum(key in stored for key in keys.values())
    progress(there, len(keys))
    for question, key in keys.items():
        if key in stored:
            continue
        if should_stop():
            break
        result = answerer.answer(question, whole[question], should_stop)
        if should_stop():
            break
        if not result.complete:
            raise EngineFailure(f"There is no answer to '{question}': {' '.join(result.warnings)}")
        stored[key] = _record(key, question, result)
        journal.append([stored[key]])
        there += 1
        progress(there, len(keys))
    return [_read(stored[key]) for key in keys.values() if key in stored]


def _whole(
    answerer: Answerer, questions: Sequence[str], comments: Sequence[VoiceComment]
) -> Mapping[str, list[VoiceComment]]:
    by_question: dict[str, list[VoiceComment]] = {question: [] for question in questions}
    for comment in comments:
        if comment.question in by_question:
            by_question[comment.question].append(comment)
    count = len(answerer.speakers.pool.members)
    return {question: own for question, own in by_question.items() if len(own) == count}


def _record(key: str, question: str, result: Result) -> Record:
    return {
        "key": key,
        "question": question,
        "text": result.answer,
        "ends": result.finish != "length",
        "prompts": list(result.prompts),
    }


def _read(record: Record) -> VoiceComment:
    return VoiceComment(record["question"], ANSWER, record["text"], record["ends"])
