"""An answer's bytes as JSON texts, whatever form they come in, and never more of them than an answer can have.

    bytes, unpacked ──limited──┬─ "data: {…}"        ──> each event's data
                               ├─ "{…}" on one line  ──> each line (JSON lines; a whole answer is one of one)
                               ├─ "{" …              ──> the whole
                               └─ anything else      ──> NoProtocol

The form is told by the first characters: what servers write into Content-Type is often something else.
Failures: `TooMuch`, `NoProtocol`; those of the connection are httpx2's.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import httpx2

MOST_OF_AN_ANSWER = 16 * 2**20  # bytes, counted after decompression
MOST_OF_AN_ERROR = 2**20  # bytes
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_BLANK = codecs.BOM_UTF8 + b" \t\r\n"


class TooMuch(Exception):
    """An answer has more bytes than any answer of this protocol."""


class NoProtocol(Exception):
    """An answer is neither an event stream nor JSON; `text` is how it begins."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


async def error_text(response: httpx2.Response) -> str:
    """The body of an error, cut at `MOST_OF_AN_ERROR`; closes the response."""
    try:
        return (await _beginning(response.aiter_bytes())).decode("utf-8", "replace")
    except httpx2.DecodingError:
        return ""  # packed so that it cannot be read; the status says enough
    finally:
        await response.aclose()


async def answer_text(response: httpx2.Response) -> str:
    """The body of an answer in one piece; closes the response.

    Raises:
        TooMuch: it has more than `MOST_OF_AN_ANSWER`.
    """
    try:
        parts = [part async for part in _limited(response)]
    finally:
        await response.aclose()
    return b"".join(parts).decode("utf-8-sig", "replace")


async def json_texts(response: httpx2.Response) -> AsyncGenerator[str, None]:
    """The JSON texts of an answer as they come in; ``[DONE]`` is passed on.

    Raises:
        TooMuch: the answer has more than `MOST_OF_AN_ANSWER`.
        NoProtocol: it is of another form.
    """
    async with aclosing(_limited(response)) as parts:
        head = b""
        async for part in parts:
            head = (head + part).lstrip(_BLANK)
            if head and (head[:1] in b"{[" or b":" in head or b"\n" in head or len(head) > 64):
                break
        whole = _joined(head, parts)
        if not head:
            return
        if head[:1] in b"{[":
            form = _json_lines(whole)
        elif head.startswith(_FIELDS):
            form = _events(whole, response)
        else:
            raise NoProtocol((await _beginning(whole)).decode("utf-8", "replace"))
        async with aclosing(form) as texts:
            async for text in texts:
                yield text


async def _limited(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    count = 0
    async for part in response.aiter_bytes():
        count += len(part)
        if count > MOST_OF_AN_ANSWER:
            raise TooMuch
        yield part


async def _beginning(parts: AsyncIterator[bytes]) -> bytes:
    beginning = bytearray()
    async for part in parts:
        beginning += part
        if len(beginning) >= MOST_OF_AN_ERROR:
            break
    return bytes(beginning[:MOST_OF_AN_ERROR])


async def _joined(head: bytes, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield head
    async for part in parts:
        yield part


async def _events(parts: AsyncIterator[bytes], response: httpx2.Response) -> AsyncGenerator[str, None]:
    """The data of server-sent events; an event that calls itself an error becomes one."""

    async def ended() -> AsyncIterator[bytes]:
        async for part in parts:
            yield part
        yield b"\n\n"  # some servers leave the empty line after the last event out

    source = httpx2.Response(
        200, headers={"content-type": "text/event-stream"}, content=ended(), request=response.request
    )
    async for event in httpx2.EventSource(source):
        if event.event == "error":
            yield _error(event.data)
        elif event.data:
            for text in _separate(event.data):
                yield text


def _separate(data: str) -> list[str]:
    """Several texts of one event, where a server leaves out the empty lines between its events."""
    lines = [line for line in data.split("\n") if line.strip()]
    return lines if len(lines) > 1 and not is_json(data) else [data]


def _error(data: str) -> str:
    """The data of an error event as an error of the protocol."""
    if not is_json(data):
        return json.dumps({"error": data})
    value = json.loads(data)
    return data if isinstance(value, dict) and value.get("error") else json.dumps({"error": value})


def is_json(text: str) -> bool:
    """Whether a text is JSON of any kind."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


async def _json_lines(parts: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """Each line, if the first is JSON by itself; else all of them as one text."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    held: list[str] = []
    by_line: bool | None = None
    async for part in parts:
        text = decoder.decode(part)
        held.append(text)
        if by_line is False or "\n" not in text:
            continue
        *lines, rest = "".join(held).split("\n")
        if by_line is None:
            by_line = is_json(lines[0])
        if by_line:
            held = [rest]
            for line in lines:
                if line.strip():
                    yield line
    last = "".join(held)
    if last.strip():
        yield last
