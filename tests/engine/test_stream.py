"""Text from bytes: however they are cut, the same text comes out, and nothing of a stop text."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pluralism_local.engine.stream import TextStream

# few characters, so that stop texts occur, overlap and nearly occur; one, two and four bytes long
letters = st.text(alphabet="abé😀", max_size=14)
stop_lists = st.lists(st.text(alphabet="abé😀", min_size=1, max_size=4), min_size=1, max_size=3)
cut_lists = st.lists(st.integers(0, 80), max_size=10)


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """`data` cut at `cuts`; some pieces may be empty."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


def read(stream: TextStream, parts: Sequence[bytes]) -> list[str]:
    return [*(stream.push(part) for part in parts), stream.finish()]


def until_stop(text: str, stops: Sequence[str]) -> str:
    """Read a character at a time; the first stop text that is complete, the longest of several, is cut off."""
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


@given(st.text(), cut_lists)
@example("a\0b", [1, 2])
def test_any_cut_of_any_text_gives_the_text_without_nul(text: str, cuts: list[int]) -> None:
    stream = TextStream()
    expected = text.replace("\0", "\ufffd")
    assert "".join(read(stream, pieces(text.encode(), cuts))) == expected
    assert (stream.text, stream.stopped) == (expected, False)


@given(st.binary(), cut_lists)
@example(b"\xed\xa0\x80", [1, 2])  # a surrogate
@example(b"\xf0\x9f\x98", [1])  # ends inside a character
@example(b"\xf4\x90\x80\x80", [1, 2, 3])  # beyond the last character
@example(b"\xc3(", [1])
def test_invalid_bytes_become_replacement_characters_however_cut(data: bytes, cuts: list[int]) -> None:
    stream = TextStream()
    assert "".join(read(stream, pieces(data, cuts))) == data.decode("utf-8", "replace").replace(
        "\0", "\ufffd"
    )


def test_a_character_comes_with_its_last_byte() -> None:
    stream = TextStream()
    assert [stream.push(bytes([byte])) for byte in "é😀".encode()] == ["", "é", "", "", "", "😀"]
    assert stream.finish() == ""


def test_an_unfinished_character_is_replaced_at_the_end() -> None:
    stream = TextStream()
    assert read(stream, [b"a", "😀".encode()[:3]]) == ["a", "", "\ufffd"]


@given(letters, stop_lists, cut_lists)
@example("abc", ["abc", "b"], [])
@example("xab", ["ab", "b"], [])
def test_the_text_ends_where_the_first_complete_stop_text_begins(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    stream = TextStream(stops)
    assert "".join(read(stream, pieces(text.encode(), cuts))) == until_stop(text, stops)
    assert stream.text == until_stop(text, stops)
    assert stream.stopped == any(stop in text for stop in stops)
    assert not any(stop in stream.text for stop in stops)


@given(letters, stop_lists)
def test_text_comes_as_soon_as_no_stop_text_can_begin_in_it(text: str, stops: list[str]) -> None:
    stream = TextStream(stops)
    begun = {stop[:size] for stop in stops for size in range(1, len(stop))}
    for end in range(1, len(text) + 1):
        stream.push(text[end - 1].encode())
        if stream.stopped:
            return
        waiting = max((len(start) for start in begun if text[:end].endswith(start)), default=0)
        assert stream.text == text[: end - waiting]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("text", "stops", "wanted"),
    [
        ("one\nUser: two", ["\nUser:"], "one"),
        ("one\nUseful", ["\nUser:"], "one\nUseful"),
        ("aaab", ["aab"], "a"),
        ("abc", ["abc", "b"], "a"),  # "b" is complete before "abc"
        ("xab", ["b", "ab"], "x"),  # both are complete at once: the longer
        ("ab", ["abc"], "ab"),
        ("stop", ["stop"], ""),
        ("é😀é", ["😀"], "é"),
    ],
)
def test_by_hand(text: str, stops: list[str], wanted: str, whole: bool) -> None:
    data = text.encode()
    stream = TextStream(stops)
    assert "".join(read(stream, [data] if whole else [bytes([byte]) for byte in data])) == wanted


def test_after_a_stop_text_nothing_comes() -> None:
    stream = TextStream(["."])
    assert [stream.push(b"Yes. And"), stream.push(b" more"), stream.finish()] == ["Yes", "", ""]
    assert stream.text == "Yes"


def test_what_waited_for_a_stop_text_comes_at_the_end_once() -> None:
    stream = TextStream(["END"])
    assert stream.push(b"the EN") == "the "
    assert [stream.finish(), stream.finish()] == ["EN", ""]
    assert (stream.text, stream.stopped) == ("the EN", False)
