"""Replies of a server, kept by themselves: each is asked for once, whatever goes wrong, and comes back as it was."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput, RemoteFailure
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.kept_replies import REPLIES_FILE, KeptReplies, ReplyStore, answers_alone
from pluralism_local.types import (
    Message,
    OptionRequest,
    Request,
    Sampling,
    TextDone,
)
from tests.support.far_engine import Far

TEXTS = [
    Request((Message("user", f"Is thing {number} fair?"),), Sampling(max_tokens=6)) for number in range(5)
]
SHARES = [OptionRequest(request.messages, ("A", "B")) for request in TEXTS]


def texts(engine: Any, requests: Sequence[Request] = TEXTS) -> dict[int, tuple[str, str, object]]:
    done = [event for event in engine.generate(requests) if isinstance(event, TextDone)]
    return {
        event.index: (event.completion.text, event.completion.finish, event.completion.usage)
        for event in done
    }


@pytest.mark.parametrize("left", range(len(TEXTS) + 1))
def test_what_was_answered_before_a_fault_is_not_asked_again(left: int, tmp_path: Path) -> None:
    expected = texts(Far()), Far().distribution(SHARES)
    for ask in (texts, lambda engine: engine.distribution(SHARES)):
        with Journal(tmp_path / REPLIES_FILE) as journal, suppress(RemoteFailure):
            ask(KeptReplies(Far(left), ReplyStore(journal)))
    healed = Far()
    with Journal(tmp_path / REPLIES_FILE) as journal:  # as another process reads it
        kept = KeptReplies(healed, ReplyStore(journal))
        assert (texts(kept), kept.distribution(SHARES)) == expected
        assert len(healed.calls) == 2 * (len(TEXTS) - left)
        assert (texts(kept), kept.distribution(SHARES)) == expected
        assert len(healed.calls) == 2 * (len(TEXTS) - left)


def test_another_question_is_another_reply(tmp_path: Path) -> None:
    (request, *_) = TEXTS
    others = [
        request,
        replace(request, messages=(Message("system", "Be brief."), *request.messages)),
        *(
            replace(request, sampling=replace(request.sampling, **change))
            for change in (
                {"seed": 1},
                {"temperature": 0.5},
                {"max_tokens": 7},
                {"top_p": 0.5},
                {"stop": ("x",)},
            )
        ),
    ]
    with Journal(tmp_path / REPLIES_FILE) as journal:
        kept = KeptReplies(engine := Far(), ReplyStore(journal))
        for each in others:
            texts(kept, [each])
        kept.distribution([replace(SHARES[0], options=("A", "B", "C")), SHARES[0]])
    assert len(engine.calls) == len(others) + 2


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"text": "x", "p": [1.0], "mass": [1.0], "bounds": [[1.0, 1.0]]}, "or both"),
        ({}, "neither a text nor probabilities"),
        ({"p": [0.5, 0.5], "mass": [0.5], "bounds": [[0.5, 0.5]]}, "not of one length"),
        ({"p": [0.5, 0.2], "mass": [0.5, 0.2], "bounds": [[0, 1], [0, 1]]}, "sums to 0.7"),
        ({"text": "x", "finish": "cancelled"}, "finish"),
    ],
)
def test_a_reply_of_another_form_is_told_with_its_line(
    record: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with Journal(tmp_path / REPLIES_FILE) as journal:
        journal.append([{"key": "0", "text": "fine"}])
        journal.append([{"key": "1", **record}])
        with pytest.raises(InvalidInput, match=says) as caught:
            ReplyStore(journal)
    assert "line 2" in caught.value.message


def test_an_engine_of_batches_is_not_asked_piecewise() -> None:
    assert answers_alone(Far().info)
    assert not answers_alone(ScriptedEngine().info)
