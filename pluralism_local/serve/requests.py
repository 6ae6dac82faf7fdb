"""A chat completion that is asked for, read and checked before anything runs.

    bytes ──read──> ChatRequest(mode, pool, exchanges so far, question, attribute, options, sampling, …)

Fields of the protocol that a mode has no use for are passed over, with a remark where that changes the answer; what
would change its meaning (tools, several choices, pictures, a form of the reply) is refused. What the protocol has no
field for stands in the object ``plural``, or, for programs that cannot send one, in lines at the head of a message:

    attribute: rural voters
    options: Yes | No
    Should phones be banned in schools?
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from pluralism_local.errors import InvalidInput
from pluralism_local.mode_specs import SPECS, ModeName, ModeSpec, Orders
from pluralism_local.modes.options import asked_by_letter
from pluralism_local.serve import models
from pluralism_local.types import Message, Sampling

MOST_OPTIONS = 26
MOST_STOPS = 16
MOST_ALTERNATIVES = 20  # of top_logprobs, as at OpenAI
_LINE = re.compile(r"[ \t]*(attribute|options)[ \t]*:[ \t]*([^\n]*\S)[ \t]*(?:\n+|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EarlierExchange:
    """An earlier question and its answer: as the client sends them, and the question without the lines at its head."""

    sent: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked for.

    Attributes:
        model: as the client wrote it.
        pool: its id; None for the server's own.
        communities: ``ID[:SCALE]`` in place of a pool.
        opening: what an assistant said before the first question.
        exchanges: what was asked and answered, oldest first.
        sent: the last message as the client sent it.
        question: the same without the lines at its head.
        options: answers to weigh; empty to read them from the question, or to answer in words.
        lettered: those of the question's own list, where a mode that can do without options is asked for their
            log-probabilities: it weighs them, and answers by their letters.
        answer: how to draw the answer.
        orders: in which options are weighed; None for the server's own.
        draws: comments of each community whose positions are counted; 0 for none.
        stream: in chunks; `usage_chunk`: token counts in one of their own.
        alternatives: how many options to give log-probabilities of; None for no log-probabilities.
        user: who asks, as far as the request says; empty where it does not.
        remarks: sentences about what of the request is passed over.
    """

    model: str
    mode: ModeName
    pool: str | None
    communities: tuple[str, ...]
    system: str | None
    opening: tuple[Message, ...]
    exchanges: tuple[EarlierExchange, ...]
    sent: str
    question: str
    attribute: str | None
    options: tuple[str, ...]
    answer: Sampling
    orders: Orders | None = None
    draws: int = 0
    stream: bool = False
    usage_chunk: bool = False
    alternatives: int | None = None
    lettered: tuple[str, ...] = ()
    user: str = ""
    remarks: tuple[str, ...] = ()


class _Part(BaseModel):
    type: str
    text: str = ""


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part] | None = None


class _Plural(BaseModel):
    model_config = ConfigDict(extra="forbid")
    attribute: str | None = None
    options: Annotated[list[str], Field(max_length=MOST_OPTIONS)] = []
    orders: Orders | None = None
    communities: Annotated[list[str], Field(max_length=64)] = []
    draws: int | None = None


class _StreamOptions(BaseModel):
    include_usage: bool | None = False


class _Body(BaseModel):
    """The protocol's fields; those that are not here are passed over."""

    model_config = ConfigDict(allow_inf_nan=False)
    model: str
    messages: Annotated[list[_Message], Field(min_length=1)]
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=MOST_STOPS)] | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_ALTERNATIVES)] | None = None
    user: str | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    plural: _Plural | None = None


def read(body: bytes, *, pools: Sequence[str], answer: Sampling) -> ChatRequest:
    """Read the body of a request.

    Args:
        pools: ids of the pools that may be asked.
        answer: how answers are drawn where the request does not say.

    Raises:
        InvalidInput: it is no JSON, a field is missing or of another type, out of its range, or asks for what no mode
            does. NotFound: there is no such model.
    """
    try:
        fields = _Body.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidInput(_sentence(fault), _known_fields(fault)) from None
    _refuse_others(fields)
    mode, pool = models.read(fields.model, pools)
    spec = SPECS[mode]
    system, messages = _apart(fields.messages)
    opening, exchanges, sent = _paired(messages, spec)
    question, lines = _head(sent, spec)
    extra = fields.plural or _Plural()
    instructions, above = _head(system, spec)
    earlier = [_head(exchange.sent, spec)[1] for exchange in reversed(exchanges)]
    attributes = (line.get("attribute") for line in (lines, *earlier, above))
    attribute = extra.attribute or next(filter(None, attributes), None)
    listed = [option.strip() for option in lines.get("options", "").split("|")] if "options" in lines else []
    options = tuple(extra.options or listed) if spec.options != "unused" else ()
    weighs_list = bool(fields.logprobs) and spec.options == "weighed" and not options
    lettered = asked_by_letter(question) if weighs_list else ()
    return ChatRequest(
        model=fields.model,
        mode=mode,
        pool=pool,
        communities=tuple(extra.communities),
        system=instructions.strip() or None,
        opening=opening,
        exchanges=exchanges,
        sent=sent,
        question=question,
        attribute=attribute if spec.attribute else None,
        options=options,
        answer=_sampling(fields, answer),
        orders=extra.orders,
        draws=extra.draws or 0,
        stream=bool(fields.stream),
        usage_chunk=bool(fields.stream_options and fields.stream_options.include_usage),
        alternatives=(fields.top_logprobs or 0) if fields.logprobs else None,
        lettered=lettered,
        user=fields.user or "",
        remarks=_remarks(fields, spec, extra, weighs=bool(options or lettered)),
    )


def _refuse_others(fields: _Body) -> None:
    """Raise InvalidInput for what would mean something else than a mode's answer."""
    if fields.n not in (None, 1):
        raise InvalidInput("A mode gives one answer.", "Leave n out, or ask again with another seed.")
    if fields.tools or fields.functions:
        raise InvalidInput("The modes call no tools.", "Leave tools out.")
    form = (fields.response_format or {}).get("type", "text")
    if form != "text":
        raise InvalidInput("The modes answer in words, not in a given form.", "Leave response_format out.")


def _remarks(fields: _Body, spec: ModeSpec, extra: _Plural, *, weighs: bool) -> tuple[str, ...]:
    """What is passed over and would have changed the answer; `weighs`: whether the request itself has options."""
    remarks = [
        f"The modes have no {name}; it was passed over."
        for name in ("presence_penalty", "frequency_penalty")
        if getattr(fields, name)
    ]
    if fields.logprobs and spec.options == "unused":
        remarks.append(f"The mode {spec.name} gives no log-probabilities.")
    if fields.logprobs and spec.options == "weighed" and not weighs:
        remarks.append("Log-probabilities are of options; this is answered in words.")
    if extra.communities and not spec.communities:
        remarks.append(f"The mode {spec.name} asks no communities; they were passed over.")
    return (*remarks, *passed_over(spec, extra.attribute, extra.options))


def passed_over(spec: ModeSpec, attribute: str | None, options: Sequence[str]) -> list[str]:
    """Sentences about an attribute and options that are given and that the mode has no use for."""
    remarks = []
    if attribute and not spec.attribute:
        remarks.append(f"The mode {spec.name} is steered by no attribute; it was passed over.")
    if options and spec.options == "unused":
        remarks.append(f"The mode {spec.name} weighs no options; they were passed over.")
    return remarks


def _apart(messages: Sequence[_Message]) -> tuple[str, list[Message]]:
    """The system messages as one, and the others."""
    system, others = [], []
    for message in messages:
        text = _text(message.content)
        if message.role == "user" or message.role == "assistant":
            others.append(Message(message.role, text))
        else:
            system.append(text)
    return "\n\n".join(text for text in system if text.strip()), others


def _text(content: str | list[_Part] | None) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    if others := sorted({part.type for part in content} - {"text"}):
        raise InvalidInput(f"A message holds something else than text: {others[0][:40]}.", "Send text alone.")
    return "".join(part.text for part in content)


def _paired(
    messages: Sequence[Message], spec: ModeSpec
) -> tuple[tuple[Message, ...], tuple[EarlierExchange, ...], str]:
    """What came before the first question, the exchanges, and the last question.

    Messages of one role in a row are one message in paragraphs.
    """
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            joined[-1] = Message(message.role, f"{joined[-1].content}\n\n{message.content}")
        else:
            joined.append(message)
    if not joined or joined[-1].role != "user":
        raise InvalidInput("The last message must be the user's.", "Let the messages end in a question.")
    first = 1 if joined[0].role == "assistant" else 0
    turns = joined[first:-1]
    exchanges = tuple(
        EarlierExchange(query.content, _head(query.content, spec)[0], answer.content)
        for query, answer in zip(turns[::2], turns[1::2], strict=True)
    )
    return tuple(joined[:first]), exchanges, joined[-1].content


def _head(text: str, spec: ModeSpec) -> tuple[str, dict[str, str]]:
    """A message without the lines at its head that say something to the mode, and what they say, by name.

    A line that the mode has no use for belongs to the message.
    """
    lines: dict[str, str] = {}
    rest = text
    while match := _LINE.match(rest):
        name = match[1].lower()
        used = spec.attribute if name == "attribute" else spec.options != "unused"
        if not used or name in lines:
            break
        lines[name] = match[2]
        rest = rest[match.end() :]
    return (rest, lines) if lines else (text, {})


def _sampling(fields: _Body, answer: Sampling) -> Sampling:
    limit = fields.max_tokens if fields.max_completion_tokens is None else fields.max_completion_tokens
    stops = (fields.stop,) if isinstance(fields.stop, str) else tuple(fields.stop or ())
    return Sampling(
        answer.temperature if fields.temperature is None else fields.temperature,
        answer.top_p if fields.top_p is None else fields.top_p,
        answer.max_tokens if limit is None else limit,
        answer.seed if fields.seed is None else fields.seed,
        stops,
    )


def _sentence(fault: ErrorDetails) -> str:
    """A fault of a body: where it is, and what it is."""
    where = ".".join(str(step) for step in fault["loc"])[:120]
    reason = str(fault["msg"])[:200]
    if fault["type"] == "json_invalid" or not where:
        return f"The request is no JSON object that can be read: {reason}."
    return f"The request's field '{where}' cannot be used: {reason}."


def _known_fields(fault: ErrorDetails) -> str:
    """Which fields there are where a fault is."""
    if fault["loc"][:1] == ("plural",):
        return f"The fields of 'plural' are {', '.join(_Plural.model_fields)}."
    return "The fields are those of OpenAI's chat completions."
