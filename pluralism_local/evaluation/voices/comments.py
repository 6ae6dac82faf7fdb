"""What the voices say to the questions: written once and kept, or read from a file.

    pool, question ──an ask's own comment stage (modes.run)──> a comment per voice ──one batch of the journal
    base, question ──the bare question, as often as there are voices, with their seeds──> the control
    rows {question, community, text} ──read_comments──> comments that were made elsewhere

The voices speak as they do in an ask, whatever that form is; the ask ends before its answer is begun. A comment's key
is all that it depends on, so that a pool may grow and the number of questions, too, and nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict

from pluralism_local import __version__, modes
from pluralism_local.communities import Member, Pool
from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import EngineFailure, InvalidInput
from pluralism_local.evaluation.identity import model_key
from pluralism_local.evaluation.journal import Journal, Record
from pluralism_local.evaluation.sample_file import read_rows
from pluralism_local.evaluation.stored import Text
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.files import digest
from pluralism_local.modes.comments import comment_seed
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.prompts import LEANING, LEANING_COMMENT, QUESTION
from pluralism_local.results import CommentDone, ModeEvent
from pluralism_local.types import Message, Request, Sampling, TextDone

Form = Literal["voice", "base"]
FILE = "comments.jsonl"
_FORM = 'Rows are objects like {"question": "…", "community": "…", "text": "…"}.'


@dataclass(frozen=True, slots=True)
class VoiceComment:
    """One comment. `ends`: by itself, and not by a limit; None where that is not known. `text` may be empty."""

    question: str
    community: str
    text: str
    ends: bool | None = None


class StoredVoiceComment(BaseModel):
    """A comment as the journal keeps it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    key: str
    form: Form
    question: Text
    community: Text
    text: Text
    ends: bool


@dataclass(frozen=True, slots=True)
class Speakers:
    """Who is asked and how.

    Attributes:
        pool: as it can speak through `engine`.
        sampling: of comments; each voice's seed derives from its own.
        template: how prompts are templated; part of a comment's key.
        take_sides: as of an `Ask`; habits: of personas, for that.
        form: ``"base"`` asks the bare model once for every voice, under the voice's name and with its seed.
    """

    pool: Pool
    engine: LanguageModel
    sampling: Sampling
    template: str = "auto"
    form: Form = "voice"
    take_sides: bool = False
    habits: Habits = field(default_factory=Habits)

    def key(self, question: str, member: Member) -> str:
        """Of a comment, all that it depends on."""
        adapter = member.adapter if self.form == "voice" else None
        sampling = self.sampling
        return digest(
            [
                __version__,
                model_key(self.engine.info),
                self.template,
                self.form,
                member.community.id,
                None if adapter is None else [adapter.sha256, adapter.scale, adapter.activation],
                member.community.system(question) if self.form == "voice" else None,
                question,
                [sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.seed],
                *self._sides(),
            ]
        )[:24]

    def _sides(self) -> list[object]:
        """What a comment depends on that takes a side: on whom else it is compared with, too."""
        if not self.take_sides or self.form != "voice":
            return []
        pool = sorted(member.community.id for member in self.pool.members)
        return [LEANING.id, LEANING_COMMENT.id, pool]


def write_comments(
    speakers: Speakers,
    questions: Sequence[str],
    journal: Journal,
    *,
    should_stop: ShouldStop = never,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[VoiceComment]:
    """Every voice's comment on every question, question by question; fewer if it was stopped.

    Args:
        journal: open for writing; both forms may share one.
        should_stop: asked between questions and while they are answered; a question cut short is not kept.
        progress: told (comments there, comments wanted).

    Raises:
        PlocalError: as the engines do; finished questions stay.
    """
    check_records(StoredVoiceComment, journal.records, journal.path)
    stored = {record["key"]: record for record in journal.records}
    members = speakers.pool.members
    keys = {
        (text, member.community.id): speakers.key(text, member) for text in questions for member in members
    }
    there = sum(key in stored for key in keys.values())
    progress(there, len(keys))
    for text in questions:
        missing = [member for member in members if keys[text, member.community.id] not in stored]
        if not missing:
            continue
        if should_stop():
            break
        written = speak(speakers, text, missing, should_stop=should_stop)
        if written is None:
            break
        by_id = {comment.community: comment for comment in written}  # done in any order, kept in the pool's
        records = [
            _record(keys[text, id], by_id[id], speakers.form)
            for id in (member.community.id for member in missing)
        ]
        journal.append(records)
        stored |= {record["key"]: record for record in records}
        there += len(records)
        progress(there, len(keys))
    return [_read(stored[key]) for key in keys.values() if key in stored]


def speak(
    speakers: Speakers, question: str, members: Sequence[Member], *, should_stop: ShouldStop = never
) -> list[VoiceComment] | None:
    """What these members of the pool say to one question, in order of being done; None if it was stopped.

    Raises:
        PlocalError: as the engine does.
    """
    ask = _ask_voices if speakers.form == "voice" else _ask_base
    return ask(speakers, question, members, should_stop)


def read_comments(path: Path) -> list[VoiceComment]:
    """Comments made elsewhere: JSON lines or a JSON list of {question, community, text}, optionally `ends`.

    What `write_comments` kept can be read, too; its control is left out.

    Raises:
        NotFound, InvalidInput: missing, unreadable, a row without one of these, or a voice twice on one question.
    """
    comments: dict[tuple[str, str], VoiceComment] = {}
    for number, row in enumerate(read_rows(path), start=1):
        if row.get("form") == "base":
            continue
        comment = _row(row, f"{path.name}, row {number}")
        if (comment.question, comment.community) in comments:
            raise InvalidInput(
                f"{path.name}, row {number}: {comment.community} comments twice on one question.",
                "Give one comment for each question and community.",
            )
        comments[comment.question, comment.community] = comment
    if not comments:
        raise InvalidInput(f"{path} has no comments.", _FORM)
    return list(comments.values())


def _ask_voices(
    speakers: Speakers, question: str, members: Sequence[Member], should_stop: ShouldStop
) -> list[VoiceComment] | None:
    """What an ask's voices say; None if it was stopped."""
    speakers.engine.forget()  # numbers depend on this question alone, not on what was asked before
    ask = modes.Ask(
        question,
        "overton",
        pool=replace(speakers.pool, members=tuple(members)),
        comment=speakers.sampling,
        take_sides=speakers.take_sides,
    )
    written: list[VoiceComment] = []
    mode = modes.run(
        ask,
        llm=speakers.engine,
        communities=speakers.engine,
        should_stop=should_stop,
        habits=speakers.habits,
    )
    # a mode is a generator: closed before the answer is begun
    with closing(cast(Generator[ModeEvent, None, None], mode)) as events:
        for event in events:
            if not isinstance(event, CommentDone):
                continue
            comment = event.comment
            if comment.problem == "stopped":
                return None
            written.append(VoiceComment(question, comment.community, comment.text, comment.finish == "stop"))
            if len(written) == len(members):
                return written
    if should_stop():
        return None
    raise EngineFailure(f"Only {len(written)} of {len(members)} voices commented on '{question}'.")


def _ask_base(
    speakers: Speakers, question: str, members: Sequence[Member], should_stop: ShouldStop
) -> list[VoiceComment] | None:
    """What the bare model says, once for each voice with that voice's seed; None if it was stopped."""
    speakers.engine.forget()
    text = QUESTION.render(question=question)
    sampling = speakers.sampling
    requests = [
        Request(
            (Message("user", text),), replace(sampling, seed=comment_seed(sampling.seed, member.community.id))
        )
        for member in members
    ]
    written: dict[int, VoiceComment] = {}
    for event in speakers.engine.generate(requests, should_stop=should_stop):
        if isinstance(event, TextDone):
            done = event.completion
            if done.finish == "cancelled":
                return None
            id = members[event.index].community.id
            written[event.index] = VoiceComment(question, id, done.text.strip(), done.finish == "stop")
    return [written[index] for index in range(len(members))]


def _row(row: Mapping[str, Any], place: str) -> VoiceComment:
    for name in ("question", "community", "text"):
        if not isinstance(row.get(name), str) or (name != "text" and not row[name].strip()):
            raise InvalidInput(f"{place}: '{name}' is no text.", _FORM)
    ends = row.get("ends")
    if ends is not None and not isinstance(ends, bool):
        raise InvalidInput(f"{place}: 'ends' is neither true nor false.", _FORM)
    return VoiceComment(row["question"].strip(), row["community"].strip(), row["text"].strip(), ends)


def _record(key: str, comment: VoiceComment, form: Form) -> Record:
    return {
        "key": key,
        "form": form,
        "question": comment.question,
        "community": comment.community,
        "text": comment.text,
        "ends": bool(comment.ends),
    }


def _read(record: Mapping[str, Any]) -> VoiceComment:
    return VoiceComment(record["question"], record["community"], record["text"], record["ends"])
