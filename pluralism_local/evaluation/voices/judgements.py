"""What a model makes of a comment: which way it answers, and whether it does.

    VoiceComment ──StanceJudge.ask──> four option requests: two questions, each with its options in both orders
                 ──mean of both orders──> Verdict(yes, on_topic)

The four share the comment's computation. A judge is identified by its model, the prompts and how they are templated;
what it said is journalled by that and the comment's text, so that the same text is judged once, whoever said it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import Unsupported
from pluralism_local.evaluation.asking import Asker, Failure
from pluralism_local.evaluation.identity import digest, model_key
from pluralism_local.evaluation.journal import Journal, Record
from pluralism_local.evaluation.stored import check_records
from pluralism_local.evaluation.voices.prompts import VOICE_ON_TOPIC, VOICE_STANCE
from pluralism_local.prompts import Prompt
from pluralism_local.types import Message, OptionDistribution, OptionRequest

CHUNK = 6
"""Comments that are judged together: 24 prompts that share six beginnings."""

YES, NO = "Yes", "No"
_LETTERS = ("A", "B")
_ORDERS = ((YES, NO), (NO, YES))
_PROMPTS: tuple[Prompt, ...] = (VOICE_STANCE, VOICE_ON_TOPIC)
_EMPTY = Failure("empty", "The comment has no text.")

Probability = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one comment.

    Attributes:
        yes: probability in [0, 1] that it answers yes, the mean of both orders; 1 - yes that it answers no.
        on_topic: probability in [0, 1] that it is about the question and gives a view, the mean of both orders.
        order_effect: in [0, 1], how far apart both orders are in `yes`.
        outside: in [0, 1], mean probability that the judge says neither letter.
    """

    yes: float
    on_topic: float
    order_effect: float
    outside: float


class StoredVerdict(BaseModel):
    """A judgement as the journal keeps it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    key: str
    yes: Probability | None = None
    on_topic: Probability | None = None
    order_effect: Probability | None = None
    outside: Probability | None = None
    error: dict[str, str] | None = None


class StanceJudge:
    """A model that reads comments.

    Args:
        engine: must give probabilities.
        variant: whatever else its answers depend on, e.g. how prompts are templated.

    Attributes:
        identity: of model, prompts and variant; hex.

    Raises:
        Unsupported: the model gives no probabilities.
    """

    def __init__(self, engine: LanguageModel, *, variant: str = "") -> None:
        self.info = engine.info
        if engine.capabilities.distribution == "none":
            raise Unsupported(
                f"{self.info.id} gives no probabilities, which judging voices needs.",
                "Take a local model with --judge.",
            )
        self.identity = digest([model_key(self.info), [prompt.id for prompt in _PROMPTS], variant])
        self._asker = Asker(engine)

    def key(self, question: str, text: str) -> str:
        """Of a comment, all that its verdict depends on."""
        return digest([self.identity, question, text])[:24]

    def ask(self, comments: Sequence[tuple[str, str]]) -> list[Verdict | Failure]:
        """A verdict per (question, text), in order.

        Raises:
            PlocalError: as `Asker.distributions`.
        """
        requests = [request for comment in comments for request in _requests(*comment)]
        answers = self._asker.distributions(requests)
        size = len(_PROMPTS) * len(_ORDERS)
        return [_verdict(answers[start : start + size]) for start in range(0, len(answers), size)]


def judge_file(folder: Path, judge: StanceJudge) -> Path:
    """Where this judge's verdicts lie."""
    return folder / f"stance-{judge.identity[:12]}.jsonl"


def judge_comments(
    judge: StanceJudge,
    journal: Journal,
    comments: Sequence[tuple[str, str]],
    *,
    should_stop: ShouldStop = never,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[Verdict | Failure | None]:
    """A verdict per (question, text), in order; None: not yet, because it was stopped. Blank texts are failures.

    Args:
        journal: open for writing, of this judge alone.
        should_stop: asked between chunks.
        progress: told (judged, to judge) of the distinct comments.

    Raises:
        PlocalError: as `StanceJudge.ask`; finished chunks stay.
    """
    check_records(StoredVerdict, journal.records, journal.path)
    known = {one["key"]: _read(one) for one in journal.records}
    wanted = {judge.key(*one): one for one in comments if one[1].strip()}
    missing = [key for key in wanted if key not in known]
    progress(len(wanted) - len(missing), len(wanted))
    for start in range(0, len(missing), CHUNK):
        if should_stop():
            break
        keys = missing[start : start + CHUNK]
        answers = judge.ask([wanted[key] for key in keys])
        journal.append([_record(key, one) for key, one in zip(keys, answers, strict=True)])
        known |= dict(zip(keys, answers, strict=True))
        progress(len(wanted) - len(missing) + start + len(keys), len(wanted))
    return [known.get(judge.key(*one)) if one[1].strip() else _EMPTY for one in comments]


def _requests(question: str, comment: str) -> Iterator[OptionRequest]:
    for prompt in _PROMPTS:
        for first, second in _ORDERS:
            text = prompt.render(question=question, comment=comment.strip(), first=first, second=second)
            yield OptionRequest((Message("user", text),), _LETTERS)


def _verdict(answers: Sequence[OptionDistribution | Failure]) -> Verdict | Failure:
    """Of the answers to one comment's requests: per prompt the order yes, no and the order no, yes."""
    usable: list[OptionDistribution] = []
    for one in answers:
        if isinstance(one, Failure):
            return one
        if one.method == "uniform":
            return Failure("silent", "The judge gave neither option any probability.")
        usable.append(one)
    stance, reverse, topic, topic_reverse = usable
    return Verdict(
        yes=(stance.p[0] + reverse.p[1]) / 2,
        on_topic=(topic.p[0] + topic_reverse.p[1]) / 2,
        order_effect=abs(stance.p[0] - reverse.p[1]),
        outside=sum(one.unassigned_mass for one in usable) / len(usable),
    )


def _record(key: str, one: Verdict | Failure) -> Record:
    if isinstance(one, Failure):
        return {"key": key, "error": {"code": one.code, "message": one.message}}
    return {
        "key": key,
        "yes": one.yes,
        "on_topic": one.on_topic,
        "order_effect": one.order_effect,
        "outside": one.outside,
    }


def _read(record: Mapping[str, Any]) -> Verdict | Failure:
    if record.get("error") is not None:
        return Failure(record["error"]["code"], record["error"]["message"])
    return Verdict(record["yes"], record["on_topic"], record["order_effect"], record["outside"])
