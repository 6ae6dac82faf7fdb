"""The comment stage that all modes share: m_i = c_i(q) (Modular Pluralism §2).

    members ──find_voices──> Voice… ──write_comments──> one call of the engine
            ──> CommentStarted, CommentDelta…, CommentDone
    voices ──draw_comments──> one call for many comments of each ──> their texts

In a conversation each sees its own thread (see `ask`). All communities go into one call, so that an engine can share
their prefix and batch them. A community's seed depends on the ask's seed and its own id alone: adding a community
leaves the others' comments as they were.
Empty, cut-off and stopped comments stay in the result, each kind with a warning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from pluralism_local.communities import Member, standing_in
from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import PlocalError, Unsupported
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.fit_context import generated, leave_out
from pluralism_local.modes.leanings.sides import taken
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.steps import Cue, Voice
from pluralism_local.modes.thinking import only_thought
from pluralism_local.progress import DrawsProgress
from pluralism_local.prompts import recurring
from pluralism_local.results import Comment, CommentDelta, CommentDone, CommentStarted, ModeEvent
from pluralism_local.types import (
    Completion,
    Message,
    Request,
    Sampling,
    Side,
    TextDelta,
    TextDone,
    TextStarted,
    TextWithdrawn,
    Usage,
)

Problem = Literal["empty", "cut off", "stopped"]


def find_voices(draft: ResultBuilder, members: Sequence[Member], communities: LanguageModel) -> list[Voice]:
    """How each member can speak through this model; a persona that stands in for an adapter is a warning.

    Raises:
        Unsupported: a community has an adapter and no persona, and the model takes no adapters.
    """
    voices = [Voice(member, member.adapter) for member in members]
    if communities.capabilities.adapters:
        return voices
    adapted = [voice for voice in voices if voice.adapter is not None]
    mute = [voice.id for voice in adapted if not voice.member.community.persona]
    if mute:
        raise Unsupported(
            f"{communities.info.id} takes no adapters, and without one these communities cannot speak: "
            f"{', '.join(mute)}.",
            "Run the communities on a local model, or choose communities that have a persona.",
        )
    stand_ins = [voice.member.community for voice in adapted if not voice.member.community.persona_suffices]
    if stand_ins:
        draft.warn(standing_in(f"{communities.info.id} takes no adapters", stand_ins))
    return [replace(voice, adapter=None) for voice in voices]


def comment_seed(seed: int, community: str, number: int = 1) -> int:
    """The community's own seed, in [0, 2**32): a stable hash of the ask's seed and the community's id.

    Args:
        number: which of its comments it is for, from 1.
    """
    name = community if number == 1 else f"{community} {number}"  # ids have no spaces
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:4], "big")


def write_comments(
    draft: ResultBuilder,
    cues: Sequence[Cue],
    *,
    communities: LanguageModel,
    should_stop: ShouldStop,
    number: int = 0,
) -> Generator[ModeEvent, None, list[Comment]]:
    """Let every voice comment on its cue, in one call; `draft.comments` has the last of each, in the voices' order.

    When stopped, or when the model fails after something was said, the draft is marked incomplete and keeps that.

    Args:
        number: of the round; 0 for the first comments.

    Returns: the comments of this call, in the voices' order.
    """
    sampling = draft.comment_sampling or draft.ask.comment
    voices = [cue.voice for cue in cues]
    for cue in cues:
        draft.used(cue.wording.prompt)
        leave_out(draft, cue.voice.id, communities, partial(thread, draft.ask, cue), sampling.max_tokens)

    def requests() -> list[Request]:
        return [_request(draft, cue, sampling, f":round {number}" if number else "") for cue in cues]

    before = list(draft.comments)
    done: dict[int, Comment] = {}
    texts = ["" for _ in cues]

    def finished(index: int, completion: Completion) -> CommentDone:
        done[index] = _comment(voices[index], completion, cues[index].side)
        draft.comments = latest(before, [done[position] for position in sorted(done)])
        draft.spend("communities", completion.usage)
        return CommentDone(done[index])

    with draft.timed("rounds" if number else "comments"):
        try:
            names = [voice.id for voice in voices]
            for event in generated(draft, communities, names, requests, should_stop=should_stop):
                voice = voices[event.index]
                match event:
                    case TextStarted():
                        yield CommentStarted(voice.id)
                    case TextDelta():
                        texts[event.index] += event.text
                        yield CommentDelta(voice.id, event.text)
                    case TextWithdrawn():
                        texts[event.index] = ""
                    case TextDone():
                        if event.completion.finish != "cancelled":
                            draft.spoke(voice.id, cues[event.index].wording.text, event.completion.text)
                        yield finished(event.index, event.completion)
        except PlocalError as error:
            if not any(text_so_far.strip() for text_so_far in texts):
                raise
            for index, text_so_far in enumerate(texts):
                if index not in done and text_so_far.strip():
                    yield finished(index, Completion(text_so_far, "cancelled", Usage(), 0.0))
            draft.fail(error)
    comments = [done[index] for index in sorted(done)]
    _name_contrary(draft, [(done[index], cues[index].side) for index in sorted(done)])
    draft.heard(comments)
    _report(draft, comments, sampling, number)
    if should_stop() or any(comment.problem == "stopped" for comment in comments):
        draft.stop()
    return comments


def latest(before: Sequence[Comment], comments: Sequence[Comment]) -> list[Comment]:
    """The last whole comment of each voice: what it said in a round, unless it was silent or stopped there."""
    if not before:
        return list(comments)
    newer = {comment.community: comment for comment in comments if comment.problem in (None, "cut off")}
    return [newer.get(comment.community, comment) for comment in before]


def draw_comments(
    draft: ResultBuilder,
    cues: Sequence[Cue],
    times: int,
    *,
    communities: LanguageModel,
    should_stop: ShouldStop,
) -> Generator[ModeEvent, None, dict[str, tuple[str, ...]] | None]:
    """`times` further comments of every voice on its cue, drawn in one call, by community and stripped.

    Returns:
        None when stopped, which the draft then says.
    """
    sampling = draft.comment_sampling or draft.ask.comment
    drawn = [(cue, number) for number in range(2, times + 2) for cue in cues]
    for cue in cues:
        leave_out(draft, cue.voice.id, communities, partial(thread, draft.ask, cue), sampling.max_tokens)

    def requests() -> list[Request]:
        return [replace(_request(draft, cue, sampling, "", number), keep=False) for cue, number in drawn]

    texts, done = ["" for _ in drawn], 0
    yield DrawsProgress(done, len(drawn))
    with draft.timed("comments"):
        names = [cue.voice.id for cue in cues]
        for event in generated(draft, communities, names, requests, should_stop=should_stop):
            if isinstance(event, TextDone):
                texts[event.index] = event.completion.text.strip()
                draft.spend("communities", event.completion.usage)
                if event.completion.finish == "cancelled":
                    draft.stop_draws()
                done += 1
                yield DrawsProgress(done, len(drawn))
    if should_stop():
        draft.stop_draws()
    if not draft.complete:
        return None
    by_voice: dict[str, list[str]] = {cue.voice.id: [] for cue in cues}
    for (cue, _), drawn_text in zip(drawn, texts, strict=True):
        by_voice[cue.voice.id].append(drawn_text)
    return {voice: tuple(row) for voice, row in by_voice.items()}


def add_comments(draft: ResultBuilder, completions: Sequence[tuple[Voice, Completion, Side | None]]) -> None:
    """Take comments that somebody else asked for, in the voices' order, and warn of what is wrong with them.

    `completions`: each voice's, with the side that it was told.
    """
    draft.comments = [_comment(voice, completion, side) for voice, completion, side in completions]
    _name_contrary(
        draft, [(comment, side) for comment, (_, _, side) in zip(draft.comments, completions, strict=True)]
    )
    _report(draft, draft.comments, draft.comment_sampling or draft.ask.comment)


def thread(ask: Ask, cue: Cue, left_out: int) -> tuple[Message, ...]:
    """What the cue's voice sees: its persona, the conversation, what it said before in this ask, and the cue.

    Args:
        left_out: how many of the conversation's oldest turns it does not see.
    """
    voice, text = cue.voice, cue.wording.text
    persona = voice.persona(ask.opening)
    if not cue.comment:
        return ask.thread(voice.id, text, persona, left_out)
    so_far = ask.thread(voice.id, cue.question.text, persona, left_out)
    return (*so_far, Message("assistant", cue.comment), Message("user", text, recurring(text)))


def _request(draft: ResultBuilder, cue: Cue, sampling: Sampling, occasion: str, number: int = 1) -> Request:
    voice = cue.voice
    return Request(
        messages=thread(draft.ask, cue, draft.left_out.get(voice.id, 0)),
        sampling=replace(sampling, seed=comment_seed(sampling.seed, f"{voice.id}{occasion}", number)),
        adapter=voice.adapter,
        keep=draft.ask.keep,
    )


def _comment(voice: Voice, completion: Completion, side: Side | None = None) -> Comment:
    problem: Problem | None = None
    if completion.finish == "cancelled":
        problem = "stopped"
    elif not completion.text.strip():
        problem = "empty"
    elif completion.finish == "length":
        problem = "cut off"
    return Comment(
        community=voice.id,
        text=completion.text.strip(),
        finish=completion.finish,
        usage=completion.usage,
        seconds=completion.seconds,
        weight=voice.member.weight,
        adapter_sha256=voice.adapter.sha256 if voice.adapter else None,
        scale=voice.adapter.scale if voice.adapter else None,
        problem=problem,
        thought=completion.thought,
        side=taken(side, completion.text),
    )


def _report(draft: ResultBuilder, comments: Sequence[Comment], sampling: Sampling, number: int = 0) -> None:
    """One sentence for each kind of problem, naming the communities."""
    sentences = {
        "empty": "Empty comments, left out",
        "cut off": f"Comments cut off at {sampling.max_tokens:,} tokens, used as far as they go",
        "stopped": "Comments stopped before their end",
    }
    if number:
        sentences["empty"] = f"Nothing said in round {number}, so that the comment before it stands"
    for problem, sentence in sentences.items():
        names = [
            comment.community
            for comment in comments
            if comment.problem == problem and not _only_thought(comment)
        ]
        if names:
            draft.warn(f"{sentence}: {', '.join(names)}.")
    thinkers = [comment for comment in comments if _only_thought(comment)]
    if thinkers:
        cut = any(comment.finish == "length" for comment in thinkers)
        limit = only_thought(sampling.max_tokens, cut=cut, option="--comment-max-tokens")
        draft.warn(f"No comment from {', '.join(comment.community for comment in thinkers)}: {limit}")


def _name_contrary(draft: ResultBuilder, told: Sequence[tuple[Comment, Side | None]]) -> None:
    """Warn of comments that begin with the other answer than that which their voice was told."""
    names = [comment.community for comment, side in told if comment.side != side]
    if names:
        draft.warn(
            f"Told a side, and begun with the other, so that they count as on neither: {', '.join(names)}."
        )


def _only_thought(comment: Comment) -> bool:
    return comment.problem == "empty" and bool(comment.thought)
