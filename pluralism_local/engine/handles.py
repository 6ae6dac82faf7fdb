"""llama.cpp's model and adapters: its C objects as context managers, its return codes as our errors.

    Model ──> Adapter (several), context.Context (several, sharing the weights)

Order of life: adapters and contexts are closed before their model; closing twice is fine. Every failure of llama.cpp
becomes an `EngineFailure`, or `InvalidInput` where the file is at fault (see `library`).
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import llama_cpp as lib

from pluralism_local.engine import kernel_safety
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.library import because
from pluralism_local.engine.markers import Marker
from pluralism_local.engine.page_release import give_back
from pluralism_local.engine.poll import Poll
from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput
from pluralism_local.models.published_templates import published_template

_GIVEN_BACK = 1 / 8
"""Share of a model's file that stays resident at most while it is loaded."""


class Handle:
    """Closes once; whatever reads `pointer` afterwards is an EngineFailure, and so reaches no freed memory."""

    kind: ClassVar[str]
    """What a message calls it."""
    _pointer: Any

    def __init__(self) -> None:
        self._closed = False

    @property
    def pointer(self) -> Any:
        """The C pointer, for as long as there is something behind it."""
        if self._closed:
            raise EngineFailure(f"The {self.kind} is closed.")
        return self._pointer

    def close(self) -> None:
        """Free the C object."""
        if not self._closed:
            self._closed = True
            self._free()

    def _free(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Model(Handle):
    """The weights and the vocabulary.

    Args:
        path: a GGUF file, memory-mapped.
        gpu_layers: layers to keep on a GPU; -1 for all.
        repack: let llama.cpp keep weights once more, in memory of their own, where this CPU multiplies another layout
            faster (Arm; AMX; some types on any x86), as far as that works on this machine (`kernel_safety`). What was
            mapped to fill it is given back as loading goes on.
        should_stop: polled while loading.

    Raises:
        InvalidInput: llama.cpp cannot use the file.
        Cancelled: `should_stop` turned true.
    """

    kind = "model"

    def __init__(
        self, path: Path, *, gpu_layers: int = 0, repack: bool = True, should_stop: ShouldStop = never
    ) -> None:
        super().__init__()
        if repack:
            kernel_safety.settle()
        self.path = path
        self.on_gpu = gpu_layers != 0
        params = lib.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.load_mode = lib.LLAMA_LOAD_MODE_MMAP
        params.use_extra_bufts = repack
        fraction = given_back = 0.0

        def stop() -> bool:
            nonlocal given_back
            if fraction >= 1 or fraction - given_back > _GIVEN_BACK:
                given_back = fraction
                give_back(path)
            return should_stop()

        def loaded(so_far: float, _data: object) -> bool:
            nonlocal fraction
            fraction = so_far
            return not poll()

        poll = Poll(stop)
        progress = lib.llama_progress_callback(loaded)
        params.progress_callback = progress
        self._pointer = lib.llama_model_load_from_file(str(path).encode(), params)
        poll.reraise()
        if not self._pointer:
            self._closed = True
            if poll.stopped:
                raise Cancelled("Stopped while the model was loading.")
            raise InvalidInput(
                f"llama.cpp cannot load the model {path}.{because()}",
                "Check it with `plocal models verify`, or download it again.",
            )
        self.vocabulary_size: int = lib.llama_vocab_n_tokens(self.vocabulary)
        self.training_context: int = lib.llama_model_n_ctx_train(self._pointer)
        self.window: int = lib.llama_model_n_swa(self._pointer)
        """Tokens that layers with a sliding window look back at; 0 if there are none."""
        recurs = lib.llama_model_is_hybrid(self._pointer) or lib.llama_model_is_recurrent(self._pointer)
        self.can_be_cut = not recurs
        """Whether what a sequence's last tokens did can be taken back; a running state holds all of them in one."""

    def _free(self) -> None:
        lib.llama_model_free(self._pointer)

    @property
    def cell_bytes(self) -> int:
        """Bytes of main memory that a token's keys and values take in F16; 0 where it cannot be told from outside."""
        heads = lib.llama_model_n_head(self.pointer)
        if self.on_gpu or not self.can_be_cut or heads < 1:
            return 0
        head_length = lib.llama_model_n_embd(self.pointer) // heads
        kv_heads = lib.llama_model_n_head_kv(self.pointer)
        return int(lib.llama_model_n_layer(self.pointer) * kv_heads * head_length * 2 * 2)

    @property
    def vocabulary(self) -> Any:
        """The C pointer of the vocabulary, which goes with the model."""
        return lib.llama_model_get_vocab(self.pointer)

    def chat_template(self) -> str | None:
        """The chat template (Jinja): the GGUF's own, or the one its makers published; None for a base model."""
        text = lib.llama_model_chat_template(self.pointer, None)
        if text:
            return str(text.decode("utf-8", "replace"))
        name = ctypes.create_string_buffer(256)
        length = lib.llama_model_meta_val_str(self.pointer, b"general.name", name, len(name))
        return published_template(name.value.decode("utf-8", "replace") if length > 0 else None)

    def special_text(self, which: Literal["bos", "eos"]) -> str:
        """Text of the begin or end token; empty if the vocabulary has none."""
        token = (lib.llama_vocab_bos if which == "bos" else lib.llama_vocab_eos)(self.vocabulary)
        return self.spelling(token) if token >= 0 else ""

    def markers(self) -> list[Marker]:
        """Every token that is found in text by its spelling: control tokens, and those added to the vocabulary."""
        control = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
        markers = []
        for token in range(self.vocabulary_size):
            kind = lib.llama_vocab_get_attr(self.vocabulary, token)
            if kind & (control | lib.LLAMA_TOKEN_ATTR_USER_DEFINED):
                strips = [
                    bool(kind & side) for side in (lib.LLAMA_TOKEN_ATTR_LSTRIP, lib.LLAMA_TOKEN_ATTR_RSTRIP)
                ]
                markers.append(Marker(token, self.spelling(token), bool(kind & control), *strips))
        return markers

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Token ids of `text`; `add_special` adds what the vocabulary wants at the start (BOS)."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            buffer = (lib.llama_token * room)()
            count = lib.llama_tokenize(
                self.vocabulary, data, len(data), buffer, room, add_special, parse_special
            )
            if count >= 0:
                return tuple(buffer[:count])
            room = -count

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; control tokens give none."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = lib.llama_token_to_piece(self.vocabulary, token, buffer, room, 0, False)
            if count >= 0:
                return buffer.raw[:count]
            room = -count

    def spelling(self, token: int) -> str:
        """How a token is written, control tokens too."""
        return str(lib.llama_vocab_get_text(self.vocabulary, token).decode("utf-8", "replace"))

    def ends_answer(self, token: int) -> bool:
        """Whether the token ends a generation (end of text, end of turn)."""
        return bool(lib.llama_vocab_is_eog(self.vocabulary, token))

    def end_tokens(self) -> tuple[int, ...]:
        """Every token that ends a generation."""
        return tuple(token for token in range(self.vocabulary_size) if self.ends_answer(token))


class Adapter(Handle):
    """A LoRA adapter bound to a model.

    Raises:
        InvalidInput: llama.cpp cannot use the file with this model (other architecture or shapes).
    """

    kind = "adapter"

    def __init__(self, model: Model, path: Path) -> None:
        super().__init__()
        self._pointer = lib.llama_adapter_lora_init(model.pointer, str(path).encode())
        # a failed load is a NULL pointer object, not None
        if not self._pointer:
            self._closed = True
            raise InvalidInput(
                f"llama.cpp cannot use the adapter {path} with this model.{because()}",
                "The adapter was probably made for another base; see `plocal communities show`.",
            )

    def _free(self) -> None:
        lib.llama_adapter_lora_free(self._pointer)

    @property
    def invocation(self) -> tuple[int, ...]:
        """Tokens that switch an activated adapter on; empty for an adapter that acts always."""
        count = lib.llama_adapter_get_alora_n_invocation_tokens(self.pointer)
        if not count:
            return ()
        tokens = lib.llama_adapter_get_alora_invocation_tokens(self.pointer)
        return tuple(tokens[:count])
