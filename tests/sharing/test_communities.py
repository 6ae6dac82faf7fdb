"""Communities from folders and from the imitation of the Hub: whole, with cards that say what is not known."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pluralism_local.communities import check_base, load_community, shipped_path
from pluralism_local.communities.library import own_folder
from pluralism_local.config import Settings
from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.gguf_header import fingerprint
from pluralism_local.hub.download import Transfer
from pluralism_local.models.details import read_model_header
from pluralism_local.sharing import bases
from pluralism_local.sharing.communities import PulledCommunity, PullOptions, pull
from tests.sharing.conftest import BASE_NAME
from tests.support.fake_hub import COMMIT, FakeHub, Repo
from tests.support.gguf_files import write_model
from tests.support.peft_folders import BASE, HEADS, INNER, peft_folder

NOBODYS = Settings()


def silent(_: Transfer) -> None:
    return


def weights_asked_for(fake_hub: FakeHub) -> list[str]:
    """Requests for a LoRA's weights."""
    return [request.where for request in fake_hub.seen if "adapter_model.safetensors" in request.where]


def take(source: str, home: Path, settings: Settings = NOBODYS, **request: object) -> PulledCommunity:
    return pull(source, home, settings, PullOptions(**request), silent)  # type: ignore[arg-type]


def test_a_lora_from_the_hub_gets_a_card_that_says_what_is_not_known(
    put_lora: Callable[..., Repo], tmp_path: Path
) -> None:
    repo = put_lora("user/my_Voice")
    pulled = take("hf:user/my_Voice", tmp_path)
    community = load_community(pulled.folder)
    card = community.card
    assert (pulled.id, pulled.base, pulled.checked_with, pulled.written) == (
        "my-voice",
        "Tiny-Base-1M",
        None,
        True,
    )
    assert card.adapter is not None and card.base is not None and card.source is not None
    assert (card.adapter.rank, card.adapter.alpha, card.adapter.activation) == (4, 12.0, "always")
    assert (card.base.model, card.base.fingerprint) == ("Tiny-Base-1M", None)
    assert (card.source.place, card.source.revision) == ("hf:user/my_Voice", COMMIT)
    weights = repo.files["adapter_model.safetensors"]
    assert card.source.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert card.provenance is not None and card.provenance.corpus == "not known here"
    assert card.hub.license == "apache-2.0"
    assert card.limits is not None and card.limits.not_for and card.limits.known_failures
    text = (pulled.folder / "README.md").read_text()
    assert "**What is not known.** Which texts it was trained on" in text
    assert "checked when a GGUF of it is here" in text
    (warning,) = check_base(community, "sha256:" + "00" * 32)
    assert "known by its name, Tiny-Base-1M" in warning


def test_a_licence_that_is_not_stated_is_not_made_up(put_lora: Callable[..., Repo], tmp_path: Path) -> None:
    put_lora("user/voice").licence = None
    card = load_community(take("hf:user/voice", tmp_path).folder).card
    assert card.hub.license is None
    assert (
        "Licence of the adapter: none stated." in (own_folder(tmp_path) / "voice" / "README.md").read_text()
    )


def test_a_base_that_is_here_is_checked_by_its_fingerprint(
    put_lora: Callable[..., Repo], fake_hub: FakeHub, tmp_path: Path, with_base: Settings, base_model: Path
) -> None:
    put_lora("user/voice")
    pulled = take("hf:user/voice", tmp_path, with_base)
    mark = fingerprint(read_model_header(base_model))
    community = load_community(pulled.folder)
    assert pulled.checked_with == "Tiny-Base-1M"
    assert community.card.base is not None and community.card.base.fingerprint == mark
    assert check_base(community, mark) == []
    assert not [
        request for request in fake_hub.seen if BASE_NAME in request.where
    ]  # nobody was asked for its shapes


def test_a_base_that_comes_later_is_written_into_the_card(
    put_lora: Callable[..., Repo], tmp_path: Path, with_base: Settings, base_model: Path
) -> None:
    put_lora("user/voice")
    pulled = take("hf:user/voice", tmp_path)
    before = (pulled.folder / "README.md").read_text()
    assert bases.bind(own_folder(tmp_path), NOBODYS) == []
    assert bases.bind(own_folder(tmp_path), with_base) == [("voice", "Tiny-Base-1M")]
    mark = fingerprint(read_model_header(base_model))
    after = (pulled.folder / "README.md").read_text()
    assert after == before.replace(
        "    model: Tiny-Base-1M\n", f"    model: Tiny-Base-1M\n    fingerprint: {mark}\n"
    )
    assert load_community(pulled.folder).card.base.fingerprint == mark  # type: ignore[union-attr]
    assert bases.bind(own_folder(tmp_path), with_base) == []


def test_a_model_of_the_bases_name_with_other_shapes_is_refused(
    put_lora: Callable[..., Repo], tmp_path: Path
) -> None:
    put_lora("user/voice")
    other = write_model(
        tmp_path / "other.gguf", embedding=64, heads=HEADS, extra={"llama.feed_forward_length": INNER}
    )
    settings = Settings(aliases={"Tiny-Base-1M": str(other)})
    with pytest.raises(InvalidInput, match="48 inputs and 48 outputs, this base has 64 and 64"):
        take("hf:user/voice", tmp_path, settings)
    assert not own_folder(tmp_path).exists()
    pulled = take("hf:user/voice", tmp_path)
    assert bases.bind(own_folder(tmp_path), settings) == []
    assert load_community(pulled.folder).card.base.fingerprint is None  # type: ignore[union-attr]


@pytest.mark.parametrize("given", ["model", "folder", "hub"])
def test_the_base_can_be_named(
    put_lora: Callable[..., Repo], fake_hub: FakeHub, tmp_path: Path, base_model: Path, given: str
) -> None:
    put_lora("user/voice", base="/home/somebody/checkpoints/mine")
    with pytest.raises(NotFound, match="/home/somebody/checkpoints/mine, is not here") as caught:
        take("hf:user/voice", tmp_path)
    assert "--base" in caught.value.hint
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **BASE}))
    fake_hub.repos["other/base"] = Repo({"config.json": (folder / "config.json").read_bytes()})
    named = {"model": str(base_model), "folder": str(folder), "hub": "hf:other/base"}[given]
    pulled = take("hf:user/voice", tmp_path, base=named)
    assert (pulled.base, pulled.checked_with) == ("mine", str(base_model) if given == "model" else None)


def test_a_gated_base_says_what_else_to_name(
    put_lora: Callable[..., Repo], fake_hub: FakeHub, tmp_path: Path
) -> None:
    put_lora("user/voice")
    fake_hub.repos[BASE_NAME].state = "gated"
    with pytest.raises(
        Refused, match="The adapter's base is not known here: someone/Tiny-Base-1M is gated"
    ) as caught:
        take("hf:user/voice", tmp_path)
    assert "--base" in caught.value.hint


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_pipe_in_a_folder_is_refused_and_not_waited_for(
    name: str, tmp_path: Path, with_base: Settings
) -> None:
    folder = peft_folder(tmp_path / "saved", base=BASE_NAME)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(InvalidInput, match=f"{name} is a device or a pipe"):
        take(str(folder), tmp_path / "home", with_base, id="mine")


def test_a_blank_source_is_not_the_folder_one_is_in(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no folder ''"):
        take("", tmp_path)


def test_a_folder_that_peft_saved(tmp_path: Path, with_base: Settings) -> None:
    folder = peft_folder(tmp_path / "Trained Here", base=BASE_NAME, only="q_proj")
    pulled = take(str(folder), tmp_path, with_base)
    card = load_community(pulled.folder).card
    assert pulled.id == "trained-here"
    assert card.source is not None and (card.source.place, card.source.revision) == (str(folder), None)
    with pytest.raises(NotFound, match="There is no folder"):
        take(str(tmp_path / "nowhere"), tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(NotFound, match=r"holds no adapter_config\.json"):
        take(str(empty), tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "fully trained modules"),
        ({"bias": "all"}, "trained biases"),
        ({"trainable_token_indices": [3]}, "trained tokens"),
    ],
)
def test_what_has_no_form_is_refused_by_name_and_leaves_nothing(
    put_lora: Callable[..., Repo],
    fake_hub: FakeHub,
    tmp_path: Path,
    settings: dict[str, object],
    said: str,
) -> None:
    put_lora("user/voice", **settings)
    with pytest.raises(InvalidInput, match=said):
        take("hf:user/voice", tmp_path)
    assert not weights_asked_for(fake_hub)
    assert not own_folder(tmp_path).exists()
    assert not list(tmp_path.glob(".pulling-*"))


def test_a_lora_whose_id_is_taken_is_refused_before_its_weights_are_fetched(
    put_lora: Callable[..., Repo], fake_hub: FakeHub, tmp_path: Path
) -> None:
    put_lora("user/voice")
    take("hf:user/voice", tmp_path)
    assert weights_asked_for(fake_hub)
    put_lora("other/voice")
    fake_hub.seen.clear()
    with pytest.raises(InvalidInput, match="There is a community 'voice'"):
        take("hf:other/voice", tmp_path)
    with pytest.raises(InvalidInput, match="is no id of a community"):
        take("hf:other/voice", tmp_path, id="Voice!")
    assert not weights_asked_for(fake_hub)
    take("hf:other/voice", tmp_path, replace=True)
    assert weights_asked_for(fake_hub)


@pytest.mark.parametrize("unnamed", [None, " "])
def test_a_lora_that_does_not_name_its_base_is_taken_in_for_the_one_that_the_user_names(
    tmp_path: Path, base_model: Path, unnamed: str | None
) -> None:
    folder = peft_folder(tmp_path / "voice", base_model_name_or_path=unnamed, only="q_proj")
    with pytest.raises(InvalidInput, match="does not name its base") as caught:
        take(str(folder), tmp_path)
    assert "--base" in caught.value.hint
    pulled = take(str(folder), tmp_path, base=str(base_model))
    assert (pulled.base, pulled.checked_with) == ("tiny", str(base_model))


def test_a_card_of_ours_is_taken_as_it_is(fake_hub: FakeHub, tmp_path: Path) -> None:
    shipped = shipped_path()
    assert shipped is not None
    folder = shipped / "press-left"
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    fake_hub.repos["user/anything"] = Repo({**files, "notes.txt": b"not of the card"})
    pulled = take("hf:user/anything", tmp_path)
    assert (pulled.id, pulled.written, pulled.base) == ("press-left", False, "SmolLM2-135M-Instruct")
    assert {file.name: file.read_bytes() for file in pulled.folder.iterdir()} == files
    with pytest.raises(InvalidInput, match="keeps that id"):
        take("hf:user/anything", tmp_path, id="another", replace=True)
    shutil.rmtree(pulled.folder)
    assert take(str(folder), tmp_path).id == "press-left"


def test_a_damaged_adapter_of_a_card_is_refused_and_what_was_here_stays(
    fake_hub: FakeHub, tmp_path: Path
) -> None:
    shipped = shipped_path()
    assert shipped is not None
    files = {file.name: file.read_bytes() for file in (shipped / "press-left").iterdir()}
    fake_hub.repos["user/voice"] = Repo(files)
    pulled = take("hf:user/voice", tmp_path)
    fake_hub.repos["user/voice"] = Repo(
        files | {"press-left.gguf": files["press-left.gguf"][:-1] + b"\1"}, commit="b" * 40
    )
    with pytest.raises(InvalidInput, match="There is a community 'press-left'"):
        take("hf:user/voice", tmp_path)
    with pytest.raises(Refused, match="is not the file its card describes"):
        take("hf:user/voice", tmp_path, replace=True)
    assert (pulled.folder / "press-left.gguf").read_bytes() == files["press-left.gguf"]
    assert [folder.name for folder in own_folder(tmp_path).iterdir()] == ["press-left"]


def test_a_card_that_names_a_file_elsewhere_is_refused(fake_hub: FakeHub, tmp_path: Path) -> None:
    shipped = shipped_path()
    assert shipped is not None
    card = (shipped / "press-left" / "README.md").read_text()
    (tmp_path / "secret.gguf").write_bytes(b"x")
    fake_hub.repos["user/voice"] = Repo(
        {"README.md": card.replace("press-left.gguf", "../secret.gguf").encode()}
    )
    with pytest.raises(InvalidInput, match="outside its card's folder"):
        take("hf:user/voice", tmp_path)


@pytest.mark.parametrize(
    ("files", "said", "hint"),
    [
        (["README.md"], "neither a card of a community nor", "that PEFT saved"),
        (
            ["adapter_config.json", "adapter_model.bin"],
            "holds no adapter_model.safetensors",
            "code could hide",
        ),
        (["adapter_config.json"], "holds no adapter_model.safetensors", "not complete"),
    ],
)
def test_a_repository_that_holds_no_community(
    fake_hub: FakeHub, tmp_path: Path, files: list[str], said: str, hint: str
) -> None:
    fake_hub.repos["user/voice"] = Repo(dict.fromkeys(files, b"{}"))
    with pytest.raises(NotFound, match=said) as caught:
        take("hf:user/voice", tmp_path)
    assert hint in caught.value.hint


def test_offline_and_names_that_cannot_be(fake_hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="--offline"):
        take("hf:user/voice", tmp_path, Settings(offline=True))
    for name in ("hf:user/voice:Q4", "hf:user"):
        with pytest.raises(InvalidInput, match="is no repository"):
            take(name, tmp_path)
    assert fake_hub.seen == []


def test_words_of_a_base_and_of_models(base_model: Path) -> None:
    from pluralism_local.models.store import ModelFile

    header = read_model_header(base_model)
    for base, model, same in (
        ("mistralai/Mistral-7B-Instruct-v0.1", "hf:TheBloke/Mistral-7B-Instruct-v0.1-GGUF:Q4_K_M", True),
        ("mistralai/Mistral-7B-Instruct-v0.1", "hf:TheBloke/Mistral-7B-Instruct-v0.2-GGUF:Q4_K_M", False),
        ("Qwen/Qwen2.5-1.5B-Instruct", "hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF:q4_k_m", True),
        ("Qwen/Qwen2.5-1.5B-Instruct", "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:q4_k_m", False),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct.Q4_1.gguf", True),
        ("x", "", False),
    ):
        assert bases.is_called(base, ModelFile(model, Path("m.gguf"), "path"), header) is same, (base, model)
