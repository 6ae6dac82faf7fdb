"""Which tokens a pack may take for its own, over vocabularies of all kinds."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pluralism_local.engine.packs.rules import spare_tokens
from pluralism_local.gguf_header import GGUFHeader

WORDS = (
    "<s>",
    "</s>",
    "<|eot_id|>",
    "<|user|>",
    "<|reserved_special_token_1|>",
    "[control_7]",
    "<unused0>",
    "a",
)


@settings(deadline=None)
@given(
    vocabulary=st.lists(st.tuples(st.sampled_from(WORDS), st.integers(1, 6)), min_size=1, max_size=20),
    named=st.lists(st.integers(0, 20), max_size=4),
    template=st.lists(st.sampled_from(WORDS), max_size=2),
    first=st.integers(0, 19),
)
def test_spare_tokens_are_distinct_special_and_used_by_nothing(
    vocabulary: list[tuple[str, int]], named: list[int], template: list[str], first: int
) -> None:
    metadata = {
        "tokenizer.ggml.tokens": [text for text, _ in vocabulary],
        "tokenizer.ggml.token_type": [kind for _, kind in vocabulary],
        "tokenizer.ggml.eos_token_id": named[0] if named else 0,
        "tokenizer.ggml.eot_token_ids": named,
        "tokenizer.chat_template": "".join(template),
        "tokenizer.chat_template.tools": "<|user|>",
    }
    spare = spare_tokens(GGUFHeader(Path("base"), 3, metadata, (), 0, 0), [], first)

    assert len(set(spare)) == len(spare)
    for token in spare:
        text, kind = vocabulary[token]
        assert kind in (3, 4, 5)
        assert token not in (*named, first)
        assert text not in (*template, "<|user|>", "</s>", "<|eot_id|>")
    named_so = ["unused" in vocabulary[token][0] or "reserved" in vocabulary[token][0] for token in spare]
    assert named_so == sorted(named_so, reverse=True)
    for token, (text, kind) in enumerate(vocabulary):
        free = token not in (*named, *([] if named else [0]), first) and text not in template
        if text == "[control_7]" and kind in (3, 4, 5) and free:
            assert token in spare
