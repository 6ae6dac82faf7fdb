"""What is thought and what is said: any way the text comes in, the same two."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.thoughts import ThoughtSplitter, closed
from pluralism_local.types import TextDelta, TextWithdrawn

WHOLE = {
    "Yes.": ("Yes.", ""),
    "  Yes. ": ("  Yes. ", ""),
    "": ("", ""),
    " \n": (" \n", ""),
    "<think>\nI see 2 comments.\n</think>\n1": ("1", "I see 2 comments."),
    "\n<think>a</think>\n\nb\n": ("b\n", "a"),
    "<think></think>b": ("b", ""),
    "<think>a</think> \n <think>b</think>c": ("c", "a \n b"),
    "<think>a": ("", "a"),
    "<think>a</thi": ("", "a</thi"),
    "<think>": ("", ""),
    "<thi": ("<thi", ""),
    "I see 2.\n</think>\n\n1": ("1", "I see 2."),
    "I see 2.</think>1": ("1", "I see 2."),
    "</think>\n1": ("1", ""),
    "a</think>": ("", "a"),
    "The tag `</think>` closes.": ("The tag `</think>` closes.", ""),
    'Between <think> and </think> stands "it".': ('Between <think> and </think> stands "it".', ""),
    "<b>bold</b> and <thinkers>": ("<b>bold</b> and <thinkers>", ""),
    "<think>a</think>b</think>c": ("b</think>c", "a"),
    "<thinking>a</thinking>b": ("b", "a"),
    "<think>a</thinking>b</think>c": ("c", "ab"),
    "[THINK]a[/THINK]b": ("b", "a"),
    "<seed:think>a</seed:think>b": ("b", "a"),
    "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b": (
        "b",
        "a",
    ),
    "<|channel|>final<|message|>b": ("b", ""),
}


def read(pieces: list[str]) -> tuple[str, str, str]:
    """The answer, the thought, and what a reader of the deltas has in the end."""
    splitter, seen = ThoughtSplitter(), ""
    events = [event for piece in pieces for event in splitter.deltas(0, piece)]
    for event in [*events, *splitter.last_deltas(0)]:
        if isinstance(event, TextWithdrawn):
            seen = ""
        else:
            assert isinstance(event, TextDelta) and event.text
            seen += event.text
    return splitter.answer, splitter.thought, seen


@pytest.mark.parametrize("text", WHOLE)
def test_what_is_thought_is_kept_apart(text: str) -> None:
    answer, thought = WHOLE[text]
    assert read([text]) == (answer, thought, answer)


TAGGED = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "<thinking>", "</thinking>", "[THINK]", "[/THINK]", "`", "<", "a ", "\n", "1"]
    ),
    max_size=8,
).map("".join)


@given(st.one_of(st.sampled_from(list(WHOLE)), TAGGED), st.lists(st.integers(0, 60), max_size=12))
def test_it_does_not_depend_on_how_the_text_comes_in(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    answer, thought, seen = read(pieces)
    assert (answer, thought) == read([text])[:2]
    assert seen == answer
    assert read(list(text))[:2] == (answer, thought)


@given(st.text(alphabet=st.characters(exclude_characters="<[")))
def test_text_without_tags_is_passed_on_as_it_is(text: str) -> None:
    assert read(list(text)) == (text, "", text)


def test_a_field_of_thoughts_of_its_own_is_no_answer() -> None:
    splitter = ThoughtSplitter()
    splitter.think("a ")
    assert splitter.push("") == ""
    splitter.think("b")
    assert (splitter.push("c"), splitter.finish(), splitter.thought) == ("c", "", "a b")


@pytest.mark.parametrize(
    ("prompt", "end"),
    [
        ("<|assistant|><think>\n", "<|assistant|><think>\n\n</think>\n\n"),
        ("<|assistant|><think>", "<|assistant|><think>\n\n</think>\n\n"),
        ("[/INST][THINK]", "[/INST][THINK]\n\n[/THINK]\n\n"),
        ("<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),
        ("<|im_start|>assistant\n", "<|im_start|>assistant\n"),
    ],
)
def test_an_open_block_in_the_header_is_closed(prompt: str, end: str) -> None:
    assert closed(prompt) == end
