"""What llama.cpp has freed is not reached again: an object used after it was closed says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pluralism_local.bench.seeded import write_lora
from pluralism_local.engine.context import Context
from pluralism_local.engine.handles import Adapter, Handle, Model
from pluralism_local.engine.schedule import Row
from pluralism_local.errors import EngineFailure
from pluralism_local.models.gguf_file import read_header
from tests.support.tiny.families import FAMILIES
from tests.support.tiny.model import write_tiny

MODEL: dict[str, Callable[[Model], object]] = {
    "pointer": lambda model: model.pointer,
    "vocabulary": lambda model: model.vocabulary,
    "cell_bytes": lambda model: model.cell_bytes,
    "chat_template": Model.chat_template,
    "special_text": lambda model: model.special_text("bos"),
    "markers": Model.markers,
    "tokenize": lambda model: model.tokenize("tea", add_special=True, parse_special=False),
    "piece": lambda model: model.piece(5),
    "spelling": lambda model: model.spelling(5),
    "ends_answer": lambda model: model.ends_answer(5),
    "end_tokens": Model.end_tokens,
}
ADAPTER: dict[str, Callable[[Adapter], object]] = {
    "pointer": lambda adapter: adapter.pointer,
    "invocation": lambda adapter: adapter.invocation,
}
CONTEXT: dict[str, Callable[[Context], object]] = {
    "pointer": lambda context: context.pointer,
    "set_threads": lambda context: context.set_threads(context._threads % 2 + 1),
    "set_adapter": lambda context: context.set_adapter(None),
    "decode": lambda context: context.decode([Row(5, 0, [0], True)]),
    "decode that can stop": lambda context: context.decode([Row(5, 0, [0], True)], lambda: False),
    "logits": lambda context: context.logits(0),
    "forget": lambda context: context.forget(0),
    "forget all": lambda context: context.forget(),
    "share": lambda context: context.share(0, 1),
    "save": lambda context: context.save(0),
    "restore": lambda context: context.restore(0, b"12345678"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.gguf", FAMILIES["qwen2"])


@pytest.mark.parametrize("use", MODEL.values(), ids=MODEL)
def test_a_closed_model(path: Path, use: Callable[[Model], object]) -> None:
    with Model(path) as model:
        use(model)
    model.close()
    with pytest.raises(EngineFailure, match=r"The model is closed\."):
        use(model)


@pytest.mark.parametrize("use", ADAPTER.values(), ids=ADAPTER)
def test_a_closed_adapter(path: Path, tmp_path: Path, use: Callable[[Adapter], object]) -> None:
    lora = write_lora(tmp_path / "a.gguf", base_header=read_header(path), seed=1)
    with Model(path) as model:
        with Adapter(model, lora) as adapter:
            use(adapter)
        with pytest.raises(EngineFailure, match=r"The adapter is closed\."):
            use(adapter)


@pytest.mark.parametrize("use", CONTEXT.values(), ids=CONTEXT)
def test_a_closed_context(path: Path, use: Callable[[Context], object]) -> None:
    with Model(path) as model:
        with Context(model, cells=64, sequences=2, threads=1) as context:
            context.decode([Row(5, 0, [1], True)])
            use(context)
        with pytest.raises(EngineFailure, match=r"The context is closed\."):
            use(context)


@pytest.mark.parametrize(("handle", "uses"), [(Model, MODEL), (Adapter, ADAPTER), (Context, CONTEXT)])
def test_every_use_is_tried(handle: type[Handle], uses: dict[str, object]) -> None:
    own = {name for name in vars(handle) if not name.startswith("_") and name != "kind"}
    assert own <= {name.split()[0] for name in uses}
