"""A card's adapter: the file is the one described, lies where it may, and does something."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from pluralism_local.communities import Library, check_base, load_community, made_for
from pluralism_local.errors import InvalidInput, NotFound, Refused
from tests.support.cards import FINGERPRINT, MakeCard, hashed, plocal, write_card


def test_an_adapter_is_read_and_referred_to(make_adapted: MakeCard, tmp_path: Path) -> None:
    community = load_community(make_adapted(adapter={"scale": 0.5}))
    ref = community.adapter_ref()
    assert ref is not None
    assert ref.path == tmp_path / "with-lora" / "with-lora.gguf"
    assert (ref.sha256, ref.scale, ref.activation) == (hashed(ref.path), 0.5, "always")
    overridden = community.adapter_ref(0.0)
    assert overridden is not None and overridden.scale == 0.0


def test_an_activated_adapter_is_read(make_adapted: MakeCard) -> None:
    ref = load_community(make_adapted(invocation_tokens=[1, 520])).adapter_ref()
    assert ref is not None and ref.activation == "assistant"


def test_a_tampered_adapter_is_refused(make_adapted: MakeCard) -> None:
    folder = make_adapted()
    file = folder / "with-lora.gguf"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(Refused, match="not the file its card describes"):
        load_community(folder)


def test_a_note_of_git_lfs_is_named_as_such(make_adapted: MakeCard) -> None:
    folder = make_adapted()
    (folder / "with-lora.gguf").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    with pytest.raises(InvalidInput, match="is not the adapter") as caught:
        load_community(folder)
    assert "git lfs pull" in caught.value.hint


def test_a_missing_adapter_is_not_found(make_adapted: MakeCard) -> None:
    folder = make_adapted()
    (folder / "with-lora.gguf").rename(folder / "with-lore.gguf")
    with pytest.raises(NotFound, match=r"with-lora\.gguf"):
        load_community(folder)


def test_a_zero_adapter_is_refused(make_adapted: MakeCard) -> None:
    with pytest.raises(Refused, match="does nothing"):
        load_community(make_adapted(zero=True))
    with pytest.raises(Refused, match="does nothing"):
        load_community(make_adapted(zero=True, dtype=np.float32))


@pytest.mark.parametrize(
    ("lora", "said", "message"),
    [
        ({"rank": 4}, {"rank": 8}, "has rank 4, its card says 8"),
        ({"alpha": 16.0}, {"alpha": 32.0}, "has alpha 16.0, its card says 32"),
        ({"alpha": float("nan")}, {"alpha": 16.0}, "has alpha nan"),
        ({}, {"activation": "assistant"}, "has no invocation tokens, its card says activation 'assistant'"),
        ({"invocation_tokens": [1]}, {"activation": "always"}, "has invocation tokens, its card says"),
        ({}, {"alpha": float("inf")}, "'plocal.adapter.alpha'"),
        ({}, {"alpha": 0.0}, "'plocal.adapter.alpha'"),
        ({}, {"scale": float("nan")}, "'plocal.adapter.scale'"),
        ({}, {"scale": 1e6}, "'plocal.adapter.scale'"),
        ({}, {"sha256": "abc"}, "'plocal.adapter.sha256'"),
        ({}, {"rank": 8.5}, "'plocal.adapter.rank'"),
        ({}, {"activation": "sometimes"}, "'plocal.adapter.activation'"),
        ({}, {"rnk": 8}, "unknown key 'plocal.adapter.rnk'"),
    ],
)
def test_a_card_and_a_file_that_disagree_are_refused(
    make_adapted: MakeCard, lora: dict[str, Any], said: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_community(make_adapted(adapter=said, **lora))
    assert message in caught.value.message


@pytest.mark.parametrize(
    "base", [None, {"model": "a base", "fingerprint": "abc"}, {"fingerprint": FINGERPRINT}]
)
def test_an_adapter_needs_its_base(make_adapted: MakeCard, base: object) -> None:
    with pytest.raises(InvalidInput, match=r"fingerprint|base\.model"):
        load_community(make_adapted(base=base))


def test_a_base_may_be_known_by_its_name_alone_until_it_is_here(make_adapted: MakeCard) -> None:
    community = load_community(make_adapted(base={"model": "a base"}))
    assert made_for(community, FINGERPRINT) and community.for_base(FINGERPRINT) == community
    (warning,) = check_base(community, FINGERPRINT)
    assert "known by its name, a base," in warning


@pytest.mark.parametrize(
    "name", ["../outside.gguf", "sub/../../outside.gguf", "{absolute}", "link.gguf", "a\0b"]
)
def test_an_adapter_outside_the_folder_is_refused(make_adapted: MakeCard, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside.gguf"
    folder = make_adapted()
    (folder / "with-lora.gguf").rename(outside)
    (folder / "link.gguf").symlink_to(outside)
    spec = {"sha256": hashed(outside), "rank": 8, "alpha": 16.0, "activation": "always"}
    spec["file"] = name.replace("{absolute}", str(outside))
    base = {"model": "a base", "fingerprint": FINGERPRINT}
    write_card(tmp_path, "with-lora", {"plocal": plocal("with-lora", adapter=spec, base=base)})
    with pytest.raises(InvalidInput, match=r"outside its card's folder|control character"):
        load_community(folder)


def test_an_adapter_in_a_folder_below_is_fine(make_adapted: MakeCard, tmp_path: Path) -> None:
    folder = make_adapted(adapter={"file": "weights/a.gguf"})
    (folder / "weights").mkdir()
    (folder / "with-lora.gguf").rename(folder / "weights" / "a.gguf")
    ref = load_community(folder).adapter_ref()
    assert ref is not None and ref.path == folder / "weights" / "a.gguf"


def with_file(tmp_path: Path, file: Path) -> Path:
    """A card around an arbitrary file that lies in its folder, with the right hash."""
    spec = {"file": file.name, "sha256": hashed(file), "rank": 8, "alpha": 16.0, "activation": "always"}
    base = {"model": "a base", "fingerprint": FINGERPRINT}
    id = file.parent.name
    return write_card(tmp_path, id, {"plocal": plocal(id, adapter=spec, base=base)})


def gguf_file(path: Path, keys: dict[str, str], tensors: dict[str, tuple[int, ...]]) -> Path:
    path.parent.mkdir()
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in keys.items():
        writer.add_string(key, value)
    writer.add_float32("adapter.lora.alpha", 16.0)
    for name, shape in tensors.items():
        writer.add_tensor(name, np.ones(shape, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


LORA = {"general.type": "adapter", "adapter.type": "lora"}


@pytest.mark.parametrize(
    ("keys", "tensors", "message"),
    [
        ({"general.type": "model"}, {"x": (2,)}, "is not a LoRA adapter"),
        ({"general.type": "adapter", "adapter.type": "control"}, {"x": (2,)}, "is not a LoRA adapter"),
        (LORA, {}, "not made of pairs"),
        (LORA, {"w.lora_a": (8, 4)}, "not made of pairs"),
        (LORA, {"w.lora_a": (8, 4), "w.lora_b": (4, 8), "v.lora_b": (4, 8)}, "not made of pairs"),
        (LORA, {"w.lora_a": (8, 4), "w.lora_b": (4, 8), "token_embd.weight": (4, 8)}, "not made of pairs"),
        (LORA, {"w.lora_a": (8,), "w.lora_b": (4, 8)}, "no"),
        (LORA, {"w.lora_a": (8, 4), "w.lora_b": (4, 4)}, "of rank 8 and 4 for one target"),
    ],
)
def test_a_file_that_is_no_lora_is_refused(
    tmp_path: Path, keys: dict[str, str], tensors: dict[str, tuple[int, ...]], message: str
) -> None:
    file = gguf_file(tmp_path / "here" / "a.gguf", keys, tensors)
    with pytest.raises(InvalidInput, match=message):
        load_community(with_file(tmp_path, file))


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    file = tmp_path / "here" / "a.gguf"
    file.write_text("weights")
    with pytest.raises(InvalidInput, match="not a GGUF file"):
        load_community(with_file(tmp_path, file))


def test_the_base_is_checked_and_can_be_forced(make_adapted: MakeCard, tmp_path: Path) -> None:
    community = load_community(make_adapted())
    other = "sha256:" + "00" * 32
    assert check_base(community, FINGERPRINT) == []
    with pytest.raises(Refused, match="was made for a base"):
        check_base(community, other)
    (warning,) = check_base(community, other, force=True)
    assert "forced" in warning
    persona_only = load_community(write_card(tmp_path, "words", {"plocal": plocal("words")}))
    assert check_base(persona_only, other) == []


def test_an_adapter_is_hashed_once_while_it_stays_the_same(
    make_adapted: MakeCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    digest = hashlib.file_digest

    def counted(file: Any, name: str) -> Any:
        reads.append(name)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    folder, cache = make_adapted(), tmp_path / "cache" / "files.json"
    path = folder / "with-lora.gguf"
    first = load_community(folder, cache)
    assert len(reads) == 1
    for _ in range(2):
        assert Library([folder.parent], cache).community("with-lora") == first
    assert len(reads) == 1

    path.write_bytes(path.read_bytes() + b"\0")  # another size: looked at again, and found to be another file
    with pytest.raises(Refused, match="not the file its card describes"):
        load_community(folder, cache)
