"""Requests as they are read: the protocol's fields, the lines at a message's head, and anything at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pluralism_local.errors import InvalidInput, NotFound, PlocalError
from pluralism_local.serve import models, requests
from pluralism_local.serve.requests import ChatRequest
from pluralism_local.types import Sampling

POOLS = ["village", "coast"]
ANSWER = Sampling(0.0, 1.0, 64, 7)


def read(*messages: tuple[str, Any], model: str = "overton", **fields: Any) -> ChatRequest:
    listed = [{"role": role, "content": content} for role, content in messages]
    body = json.dumps({"model": model, "messages": listed, **fields}).encode()
    return requests.read(body, pools=POOLS, answer=ANSWER)


def ask(text: str, model: str = "overton", **fields: Any) -> ChatRequest:
    return read(("user", text), model=model, **fields)


def test_a_model_is_a_mode_or_a_mode_with_a_pool() -> None:
    assert models.read("overton", POOLS) == ("overton", None)
    assert models.read("distributional:coast", POOLS) == ("distributional", "coast")
    names = models.names(POOLS)
    assert len(names) == len(set(names)) == 6 + 4 * 2
    assert all(models.read(name, POOLS) for name in names)


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o",
        "",
        "over",
        "overton:",
        "overton:town",
        "overton:/etc/passwd",
        "vanilla:village",
        "overton:../x.yaml",
    ],
)
def test_a_model_that_is_none_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        models.read(name, POOLS)


def test_what_is_not_said_is_the_servers() -> None:
    request = ask("Is tipping fair?")
    assert (request.mode, request.pool, request.answer) == ("overton", None, ANSWER)
    assert (request.stream, request.alternatives, request.options, request.remarks) == (False, None, (), ())
    request = ask("?", temperature=0.5, top_p=0.9, max_completion_tokens=5, max_tokens=9, seed=3, stop="x")
    assert request.answer == Sampling(0.5, 0.9, 5, 3, ("x",))


def test_a_conversation_is_paired_and_its_system_messages_are_joined() -> None:
    request = read(
        ("system", "Be brief."),
        ("assistant", "Hello."),
        ("user", "Tea?"),
        ("assistant", "Yes."),
        ("developer", "Be kind."),
        ("user", "And"),
        ("user", [{"type": "text", "text": "coffee?"}]),
    )
    assert request.system == "Be brief.\n\nBe kind."
    assert [message.content for message in request.opening] == ["Hello."]
    assert [(each.question, each.answer) for each in request.exchanges] == [("Tea?", "Yes.")]
    assert request.question == "And\n\ncoffee?"


def test_lines_at_the_head_say_what_the_protocol_has_no_field_for() -> None:
    request = ask("attribute: rural voters\nOptions: Yes | No\n\nBan phones?", "steerable")
    assert (request.attribute, request.options, request.question) == (
        "rural voters",
        ("Yes", "No"),
        "Ban phones?",
    )
    assert request.sent.startswith("attribute:")


def test_a_line_that_the_mode_has_no_use_for_belongs_to_the_question() -> None:
    text = "options: Yes | No\nBan phones?"
    assert ask(text).question == text
    assert ask("attribute: rural\n?", "distributional", plural={"options": ["a", "b"]}).question.startswith(
        "attr"
    )
    assert ask("Ban phones?\nattribute: rural", "steerable").attribute is None


def test_an_attribute_lasts_and_options_do_not() -> None:
    request = read(
        ("system", "attribute: old\nBe brief."),
        ("user", "attribute: rural\noptions: a | b\nTea?"),
        ("assistant", "a"),
        ("user", "And coffee?"),
        model="steerable",
    )
    assert (request.attribute, request.options, request.system) == ("rural", (), "Be brief.")
    assert request.exchanges[0].question == "Tea?"
    assert read(("system", "attribute: old"), ("user", "?"), model="steerable").attribute == "old"


def test_a_wrong_field_of_ours_is_told_from_one_of_the_protocols() -> None:
    with pytest.raises(InvalidInput, match=r"'plural\.optoins'") as caught:
        ask("Fair?", plural={"optoins": ["Yes", "No"]})
    assert caught.value.hint == "The fields of 'plural' are attribute, options, orders, communities, draws."
    with pytest.raises(InvalidInput) as caught:
        ask("Fair?", temperature="hot")
    assert "OpenAI" in caught.value.hint


def test_fields_win_over_lines() -> None:
    plural = {"attribute": "urban", "options": ["Yes", "No"], "communities": ["farmers:0.5"]}
    request = ask("attribute: rural\noptions: a | b\nTea?", "steerable", plural=plural)
    assert (request.attribute, request.options, request.question) == ("urban", ("Yes", "No"), "Tea?")
    assert request.communities == ("farmers:0.5",)


def test_orders_are_the_servers_unless_the_request_says() -> None:
    assert ask("?", "distributional").orders is None
    assert ask("?", "distributional", plural={"orders": "reverse"}).orders == "reverse"
    with pytest.raises(InvalidInput, match=r"plural\.orders"):
        ask("?", "distributional", plural={"orders": "any"})


def test_what_is_passed_over_and_matters_is_said() -> None:
    request = ask("?", presence_penalty=0.5, logprobs=True, plural={"attribute": "x", "options": ["a", "b"]})
    assert len(request.remarks) == 4
    assert ask("?", plural={"communities": ["farmers"]}).remarks == ()
    (remark,) = ask("?", model="vanilla", plural={"communities": ["farmers"]}).remarks
    assert "asks no communities" in remark
    assert ask("?", presence_penalty=0, frequency_penalty=None, tools=[], n=1, store=True).remarks == ()


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"n": 2}, "one answer"),
        ({"tools": [{"type": "function"}]}, "no tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "'temperature'"),
        ({"max_tokens": 0}, "at least 1"),
        ({"top_p": 0}, "top-p"),
        ({"seed": -1}, "seed"),
        ({"top_logprobs": 21}, "'top_logprobs'"),
        ({"stop": [""]}, "stop"),
        ({"plural": {"atribute": "x"}}, "'plural.atribute'"),
        ({"messages": []}, "'messages'"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "'messages.0.role'"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "user's"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(fields: dict[str, Any], part: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        ask("?", **fields)
    assert part in refusal.value.message + refusal.value.hint


ROLES = st.sampled_from(["system", "developer", "user", "assistant", "tool", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": ROLES, "content": st.text(max_size=60) | VALUES}), max_size=8
)
FIELDS = st.dictionaries(
    st.sampled_from(sorted(requests._Body.model_fields.keys() - {"model", "messages"})), VALUES, max_size=5
)


@given(st.binary(max_size=400))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"model": "overton", "messages": [{"role": "user", "content": "\\ud800"}]}')
@example(b'{"model": "overton", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}')
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        requests.read(body, pools=POOLS, answer=ANSWER)
    except PlocalError as error:
        assert error.message.endswith(".")


@given(st.sampled_from([*models.names(POOLS), "gpt"]), MESSAGES, FIELDS)
def test_any_fields_are_read_or_refused(model: str, messages: list[Any], fields: dict[str, Any]) -> None:
    body = json.dumps({"model": model, "messages": messages, **fields}).encode()
    try:
        request = requests.read(body, pools=POOLS, answer=ANSWER)
    except PlocalError as error:
        assert error.message.endswith(".")
        return
    texts = [message["content"] for message in messages if message["role"] == "user"]
    assert all(isinstance(text, str | list | None) for text in texts)
    assert request.question in request.sent


@given(st.text(alphabet="ab:|\n -", max_size=40), st.sampled_from(["overton", "steerable", "distributional"]))
def test_a_question_is_the_end_of_what_was_sent(text: str, model: str) -> None:
    request = ask(f"options: a | b\n{text}", model)
    assert request.sent.endswith(request.question)
