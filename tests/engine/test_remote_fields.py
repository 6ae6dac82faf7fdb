# ruff: noqa: E501 -- a table has one row a line
"""Refusals in the wordings of several servers, and how the next request is spelled."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.remote_fields import Dialect, Payload
from pluralism_local.engine.remote_protocol import FIRST_TOKEN_FIELDS, message_fields, sampling_fields
from pluralism_local.types import Message, Sampling

SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_tokens=512, seed=3, stop=("END",))
CONVERSATION = message_fields(
    (Message("system", "Be brief."), Message("user", "Hi."), Message("assistant", "Ho."))
)
STREAMED: Payload = {
    "model": "m",
    **CONVERSATION,
    **sampling_fields(SAMPLING),
    "stream": True,
    "stream_options": {"include_usage": True},
}
WEIGHED: Payload = {"model": "m", **CONVERSATION, **FIRST_TOKEN_FIELDS, "seed": 0}


def error(message: str, **more: Any) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", **more}})


REFUSED = [  # (body, the field that is not sent again)
    (error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", param="max_tokens", code="unsupported_parameter"), "max_tokens"),
    (error("Unsupported parameter: max_tokens; use max_completion_tokens"), "max_tokens"),
    (error("max_completion_tokens must be used in place of max_tokens since 2024-12-01"), "max_tokens"),
    (error("Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.", param="temperature", code="unsupported_value"), "temperature"),
    (error("`temperature` may only be set to 1 when thinking is enabled."), "temperature"),
    (error("temperature is deprecated for this model."), "temperature"),
    (error("`temperature` and `top_p` cannot both be specified for this model. Please use only one."), "top_p"),
    (error("Unrecognized request argument supplied: seed"), "seed"),
    (error("property 'seed' is unsupported, did you mean 'temperature'?"), "seed"),
    (error("create() got an unexpected keyword argument 'seed'"), "seed"),
    (error("Unknown parameter: 'stream_options'.", param="stream_options"), "stream_options"),
    (error("Unknown parameter: 'stream_options.include_usage'.", param="stream_options.include_usage"), "stream_options"),
    (error("include_usage: extra fields not permitted"), "stream_options"),
    (error("'stop' is not supported with this model.", param="stop"), "stop"),
    (error("Invalid 'stop': array too long. Expected an array with maximum length 0."), "stop"),
    (error("Your organization must be verified to stream this model.", param="stream", code="unsupported_value"), "stream"),
    (error("Streaming is not supported: unsupported value for `stream`"), "stream"),
    (json.dumps({"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'Extra inputs are not permitted', 'input': 3}]", "code": 400}), "seed"),
    (json.dumps({"detail": [{"type": "extra_forbidden", "loc": ["body", "top_p"], "msg": "Extra inputs are not permitted", "input": 0.9}]}), "top_p"),
    (json.dumps({"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": {"temperature": 1}}]}}), "seed"),
    (json.dumps([{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.', "status": "INVALID_ARGUMENT"}}]), "seed"),
    (json.dumps({"message": "unknown field: parameter 'stream_options' is not a valid field"}), "stream_options"),
    (json.dumps({"detail": "Unexpected field topP"}), "top_p"),
    ("Failed to deserialize the JSON body into the target type: unknown field `seed`, expected one of `model`, `messages`, `temperature`, `top_p`, `max_tokens`, `stop` at line 1 column 80", "seed"),
    ("seed is not one of the supported parameters: model, temperature, top_p, max_tokens", "seed"),
    ("Supported parameters are: model, messages, temperature. Not supported: top_p", "top_p"),
    ("temperature: must be at least 0.6", "temperature"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "name"), REFUSED)
def test_the_field_that_a_refusal_names_is_not_sent_again(body: str, name: str) -> None:
    learned = Dialect().learn(body, STREAMED)
    assert learned is not None
    sent = learned.spell(STREAMED)
    before = Dialect().spell(STREAMED)
    if name == "max_tokens":
        assert sent.pop("max_completion_tokens") == 512
    gone = {"stream", "stream_options"} if name == "stream" else {name}
    assert sent == {key: value for key, value in before.items() if key not in gone}


LIMITS = [  # (sentence, number of alternatives asked for next)
    ("top_logprobs must be at most 5", 5),
    ("Invalid value for 'top_logprobs': must be less than or equal to 8.", 8),
    ("top_logprobs must be between 0 and 10, got 20", 10),
    ("Requested sample logprobs of 20, which is greater than max allowed: 5", 5),
    ("top_logprobs: 20 not in [0, 15]", 15),
    ("top_logprobs <= 3", 3),
    ("top_logprobs: expected 0..5, got 20", 5),
    ("Number of logprobs requested (20) exceeds the maximum (5)", 5),
    ("value 20 > 8 for top_logprobs", 8),
    ("top_logprobs is too large", 5),
    ("Invalid value for top_logprobs.", 5),
]


@pytest.mark.parametrize(("sentence", "number"), LIMITS)
def test_a_limit_on_alternatives_is_taken(sentence: str, number: int) -> None:
    learned = Dialect().learn(error(sentence), WEIGHED)
    assert learned is not None
    assert learned.spell(WEIGHED)["top_logprobs"] == number
    assert learned.spell(WEIGHED)["logprobs"] is True


def test_without_a_number_fewer_and_fewer_alternatives_are_tried() -> None:
    dialect: Dialect | None = Dialect()
    tried = []
    while dialect is not None:
        tried.append(dialect.spell(WEIGHED)["top_logprobs"])
        dialect = dialect.learn(error("top_logprobs is too large"), WEIGHED)
    assert tried == [20, 5, 2, 1]


@pytest.mark.parametrize(
    "sentence",
    [
        "logprobs is not supported for models created with logits_all=False",
        "Unknown parameter: 'top_logprobs'",
        "This model does not support logprobs.",
        "logprobs are not available for model m-4-5.2",
    ],
)
def test_a_server_without_probabilities_is_not_asked_for_fewer(sentence: str) -> None:
    assert Dialect().learn(error(sentence), WEIGHED) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "The model 'seed-1' does not exist",
        "Bad request",
        "",
        "stop",
        "This model's maximum context length is 2048 tokens. However, you requested 3036 tokens (3031 in the "
        "messages, 5 in the completion). Please reduce max_tokens.",
        "'max_tokens' or 'max_completion_tokens' is too large: 512. This model's maximum context length is 2048 "
        "tokens and your request has 1900 input tokens (512 > 2048 - 1900).",
    ],
)
def test_other_refusals_teach_nothing(sentence: str) -> None:
    assert Dialect().learn(error(sentence), STREAMED) is None


def test_a_limit_of_tokens_is_taken_and_told() -> None:
    said = "max_tokens is too large: 512. This model supports at most 256 completion tokens, whereas you gave 512."
    learned = Dialect().learn(error(said), STREAMED)
    assert learned is not None
    assert learned.spell(STREAMED)["max_tokens"] == 256
    assert learned.remarks(SAMPLING) == ("The server gives at most 256 tokens.",)
    assert learned.remarks(Sampling(max_tokens=200)) == ()


@pytest.mark.parametrize(
    "body",
    [
        error("System role not supported"),
        error("Jinja Exception: System role not supported"),
        error("Conversation roles must alternate user/assistant/user/assistant/..."),
        error("Unsupported value: 'messages[0].role' does not support 'system' with this model.", param="messages[0].role"),
        error("Developer instruction is not enabled for models/gemma-3-27b-it"),
        error("Invalid role: system"),
        error("'system' is not a valid role"),
        error("This model doesn't support system messages."),
        error("The model does not support 'system'"),
        error("Only user and assistant roles are supported!"),
        error('messages: Unexpected role "system".'),
        json.dumps({"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Input should be 'user' or 'assistant'"}]}),
    ],
)  # fmt: skip
def test_a_system_message_is_folded_where_there_is_none(body: str) -> None:
    learned = Dialect().learn(body, STREAMED)
    assert learned is not None
    assert learned.spell(STREAMED)["messages"] == [
        {"role": "user", "content": "Be brief.\n\nHi."},
        {"role": "assistant", "content": "Ho."},
    ]
    assert learned.learn(body, STREAMED) is None or learned.learn(body, STREAMED) != learned
    alone = STREAMED | message_fields((Message("user", "Hi."),))
    assert Dialect().learn(error("System role not supported"), alone) is None
    assert learned.spell(alone)["messages"] == alone["messages"]


def test_remarks_tell_what_changes_the_answer() -> None:
    assert Dialect().remarks(SAMPLING) == ()
    harmless = Dialect(
        left_out=frozenset({"stream_options", "stream", "stop"}), tokens="max_completion_tokens"
    )
    assert harmless.remarks(SAMPLING) == ()
    assert harmless.stops(SAMPLING) == ("END",)
    changed = Dialect(left_out=frozenset({"temperature", "seed", "top_p", "max_tokens"}))
    for word, said in zip(
        ("temperature 0.5", "seed", "top-p 0.9", "limit"), changed.remarks(SAMPLING), strict=True
    ):
        assert word in said
    assert len(changed.remarks(Sampling())) == 3  # top-p of 1 is every server's own


@given(
    st.lists(
        st.sampled_from([body for body, _ in REFUSED] + [error(said) for said, _ in LIMITS]), min_size=60
    )
)
def test_learning_ends(bodies: list[str]) -> None:
    for payload in (STREAMED, WEIGHED):
        dialect, steps = Dialect(), 0
        for body in bodies:
            if learned := dialect.learn(body, payload):
                assert learned.spell(payload) != dialect.spell(payload)
                dialect, steps = learned, steps + 1
        assert steps <= 24


@given(st.text(max_size=300))
def test_any_refusal_is_read(text: str) -> None:
    for body in (text, error(text), json.dumps({"detail": [{"loc": [text, 0], "msg": text}]})):
        learned = Dialect().learn(body, STREAMED)
        assert learned is None or learned.spell(STREAMED) != STREAMED
