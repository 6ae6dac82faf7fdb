"""Communities' adapters at a server that holds them: found there by name, and switched on per request.

    llama-server   GET /lora-adapters ──> ids     "lora": [{"id": 0, "scale": 1.0}, {"id": 1, "scale": 0.0}, …]
    vLLM           GET models         ──> names   "model": "press-left"

The server was started with the very files, under the names that they have here without ``.gguf`` (at vLLM: with PEFT's
folders, named so). What it holds cannot be checked from here, only that there is one of the name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from pluralism_local.engine.remote_refusals import Server, not_the_protocol
from pluralism_local.errors import NotFound, Unsupported
from pluralism_local.types import AdapterRef

AdapterProtocol = Literal["none", "llama-server", "vllm"]


class _Loaded(BaseModel):
    id: int
    path: str


_LIST = TypeAdapter(list[_Loaded])


@dataclass(frozen=True, slots=True)
class LlamaServerAdapters:
    """The adapters that a llama-server holds: its number of each, by name."""

    ids: Mapping[str, int]

    def fields(self, adapter: AdapterRef | None, server: Server) -> dict[str, Any]:
        """What a request carries to be answered through `adapter`, or by the base alone.

        A field that is left out keeps what another request said, so every adapter is named, the others with 0.

        Raises:
            NotFound: the server has none of this name.
        """
        scales = dict.fromkeys(self.ids.values(), 0.0)
        if adapter is not None:
            scales[self.ids[_name(adapter, self.ids, server)]] = adapter.scale
        return (
            {"lora": [{"id": id, "scale": scale} for id, scale in sorted(scales.items())]} if scales else {}
        )


@dataclass(frozen=True, slots=True)
class VllmAdapters:
    """The names of the models that a vLLM server lists, adapters among them."""

    names: frozenset[str]

    def fields(self, adapter: AdapterRef | None, server: Server) -> dict[str, Any]:
        """What a request carries to be answered through `adapter`, or by the base alone.

        Raises:
            NotFound: the server has none of this name. Unsupported: a scale other than 1.
        """
        if adapter is None:
            return {}
        if adapter.scale != 1:
            raise Unsupported(
                f"vLLM answers through an adapter at its full scale, not at {adapter.scale:g}.",
                "Leave the scale out, or run the communities on a llama-server or here.",
            )
        return {"model": _name(adapter, self.names, server)}


ServedAdapters = LlamaServerAdapters | VllmAdapters


def of_llama_server(text: str, server: Server) -> LlamaServerAdapters:
    """The adapters in what ``GET /lora-adapters`` answers.

    Raises:
        RemoteFailure: it is another thing.
    """
    try:
        loaded = _LIST.validate_json(text)
    except ValidationError as error:
        raise not_the_protocol(text, server) from error
    return LlamaServerAdapters({PurePath(each.path.replace("\\", "/")).stem: each.id for each in loaded})


def _name(adapter: AdapterRef, names: Collection[str], server: Server) -> str:
    name = adapter.path.stem
    if name not in names:
        listed = server.quote(", ".join(sorted(names))) or "none"
        raise NotFound(
            f"The server {server.url} has no adapter '{name}'; it has: {listed}.",
            "Start it with the adapter: llama-server --lora FILE, or vllm serve --lora-modules NAME=FOLDER.",
        )
    return name
