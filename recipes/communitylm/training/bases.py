"""The base model of a training: found, spelled and loaded.

    "starter" | file.gguf | folder | Hub id ──find_base──> Base ──speller()──> Speller
                                                                ──load()────> a torch model, frozen

A GGUF is spelled by llama.cpp itself, so training sees the very tokens that inference will, and loaded dequantized by
transformers: the very weights that will run. Anything else goes through transformers alone.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from communitylm.training.examples import Speller, Tokens
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.types import Message

if TYPE_CHECKING:
    import torch

PROBE = "x"
_QUANTIZATION = re.compile(r"(?i)[.-](?:i?q\d\w*|b?f16|f32)$")


@dataclass(frozen=True, slots=True)
class Base:
    """Where a base model is.

    Attributes:
        reference: as configured.
        gguf: its file, or None for a folder or Hub id of transformers.
        name: what its makers call it, for cards.
        fingerprint: of the GGUF; None without one.
    """

    reference: str
    gguf: Path | None
    name: str
    fingerprint: str | None

    def load(self, precision: torch.dtype, device: str) -> Any:
        """The model for training, its weights in `precision`, on `device`.

        Raises:
            NotFound: the checkpoint is not here and cannot be downloaded. InvalidInput: transformers cannot load it.
        """
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        where, keywords = _source(self)
        with (
            _loading(self),
            contextlib.redirect_stderr(io.StringIO()),
        ):  # a progress bar that cannot be turned off
            model = AutoModelForCausalLM.from_pretrained(where, dtype=precision, **keywords)
        if self.gguf is not None:
            # its weights are dense now; left marked as quantized, the Trainer refuses them
            model.hf_quantizer, model.is_quantized = None, False
        if device == "cpu":
            # the fused kernels' backward pass is slower than plain products for passages of a few hundred tokens
            model.set_attn_implementation("eager")
        return model.to(device)

    @contextmanager
    def speller(self, *, chat: bool) -> Iterator[Speller]:
        """Text to tokens.

        Args:
            chat: whether turns are needed (the activated form).

        Raises:
            InvalidInput: `chat` and the base has no chat template.
        """
        if self.gguf is not None:
            from pluralism_local.engine.handles import Model
            from pluralism_local.engine.library import install_log

            install_log()
            with Model(self.gguf) as model:
                yield _checked(_LlamaSpeller(model), self, chat)
        else:
            from transformers import AutoTokenizer

            with _loading(self):
                tokenizer = AutoTokenizer.from_pretrained(self.reference)
            yield _checked(_HubSpeller(tokenizer), self, chat)


def find_base(reference: str, folder: Path) -> Base:
    """What a configuration in `folder` means by `reference`; looks at headers, loads nothing.

    Raises:
        NotFound: the file is not there, or the starter is not installed. InvalidInput: no model.
    """
    from pluralism_local.config import load
    from pluralism_local.gguf_header import fingerprint
    from pluralism_local.model_names import Hub, Starter, parse
    from pluralism_local.models.details import read_model_header
    from pluralism_local.models.store import resolve

    local = folder / Path(reference).expanduser()
    path: Path | None = None
    if reference.endswith(".gguf"):
        path = local if local.exists() else Path(reference).expanduser()
    elif not local.is_dir() and isinstance(parse(reference).place, Starter | Hub):
        path = resolve(reference, load().settings).path
    if path is None:
        here = local if local.is_dir() else None
        return Base(str(here or reference), None, (here or Path(reference)).name, None)
    header = read_model_header(path)
    return Base(reference, path, _QUANTIZATION.sub("", path.stem), fingerprint(header))


def _source(base: Base) -> tuple[str, dict[str, str]]:
    if base.gguf is None:
        return base.reference, {}
    return str(base.gguf.parent), {"gguf_file": base.gguf.name}


@contextmanager
def _loading(base: Base) -> Iterator[None]:
    """transformers' many errors as ours."""
    try:
        yield
    except OSError as error:
        raise NotFound(
            f"The base model {base.reference} cannot be loaded: {str(error).splitlines()[0]}",
            "Give 'starter', a .gguf file, a checkpoint's folder, or a Hub id while online.",
        ) from error
    except (ValueError, KeyError, ImportError) as error:
        raise InvalidInput(
            f"transformers cannot load {base.reference}: {str(error).splitlines()[0]}",
            "Take a base of a family that transformers reads, such as Llama, Mistral, Qwen or Gemma.",
        ) from error


def _checked(speller: _LlamaSpeller | _HubSpeller, base: Base, chat: bool) -> Speller:
    if chat and not speller.header:
        raise InvalidInput(
            f"The base model {base.reference} has no chat template, so an activated adapter has nothing to act from.",
            'Take an instruct model, or train it with form = "causal".',
        )
    return speller


class _LlamaSpeller:
    """Tokens as llama.cpp and `plocal` make them."""

    def __init__(self, model: Any) -> None:
        from pluralism_local.engine.prompter import Prompter

        self._model, self._prompter = model, Prompter(model)
        self.header: Tokens = self._prompter.answer_header()
        self.end: int = model.end_tokens()[0]
        if self.header:
            # the token that the template itself puts after an answer, e.g. <|im_end|>
            after = self._after_answer()
            self.end = next((token for token in after if model.ends_answer(token)), self.end)

    def _after_answer(self) -> Tokens:
        from pluralism_local.engine.chat_template import chat_renderer
        from pluralism_local.engine.markers import Marked

        render = chat_renderer(
            self._model.chat_template(),
            bos=self._model.special_text("bos"),
            eos=self._model.special_text("eos"),
        )
        turn = render((Message("user", PROBE), Message("assistant", PROBE)), False)
        return self._prompter.more_tokens(Marked(turn[turn.rindex(PROBE) + len(PROBE) :]))

    def prompt(self, user: str) -> Tokens:
        tokens = self._prompter.tokens(self._prompter.prompt((Message("user", user),)))
        return tokens[: len(tokens) - len(self.header)] if self.header else tokens

    def text(self, text: str) -> Tokens:
        return tuple(self._model.tokenize(text, add_special=False, parse_special=False))

    def conversation(self, messages: Sequence[Message]) -> Tokens:
        return self._prompter.tokens(self._prompter.prompt(messages))

    def spelled(self, tokens: Sequence[int]) -> str:
        return b"".join(map(self._model.piece, tokens)).decode("utf-8", errors="replace")


class _HubSpeller:
    """Tokens as a transformers tokenizer makes them; what a text spells is no control token, as in `_LlamaSpeller`."""

    def __init__(self, tokenizer: Any) -> None:
        from pluralism_local.engine.markers import Marker, Markers
        from pluralism_local.engine.thoughts import SWITCHES

        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.items()
        self._markers = Markers(
            [Marker(token, str(t.content), t.special, t.lstrip, t.rstrip) for token, t in added],
            str(tokenizer.chat_template or ""),
        )
        self.header: Tokens = ()
        self.end: int = tokenizer.eos_token_id
        if tokenizer.chat_template:
            probe = (Message("user", PROBE),)
            bare, opened = self._render(probe, False), self._render(probe, True)
            if opened.startswith(bare):
                self.header = self._spelled(opened[len(bare) :])
            turn = tokenizer.apply_chat_template(
                [{"role": "user", "content": PROBE}, {"role": "assistant", "content": PROBE}],
                tokenize=False,
                **SWITCHES,
            )
            after = self._spelled(turn[turn.rindex(PROBE) + len(PROBE) :])
            self.end = next((token for token in after if token in tokenizer.all_special_ids), self.end)

    def _render(self, messages: Sequence[Message], header: bool) -> str:
        from pluralism_local.engine.thoughts import SWITCHES, closed

        text = str(
            self._tokenizer.apply_chat_template(
                [{"role": it.role, "content": self._markers.quote(it.content)} for it in messages],
                tokenize=False,
                add_generation_prompt=header,
                **SWITCHES,
            )
        )
        return closed(text) if header else text

    def _spelled(self, marked: str) -> Tokens:
        """Tokens of what the template wrote."""
        from pluralism_local.engine.markers import Marked

        return self._markers.spell(Marked(marked), self._whole, self.text)

    def _whole(self, text: str) -> Tokens:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def prompt(self, user: str) -> Tokens:
        if self.header:
            return self._spelled(self._render((Message("user", user),), False))
        return tuple(self._tokenizer.encode(user, split_special_tokens=True))

    def text(self, text: str) -> Tokens:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def conversation(self, messages: Sequence[Message]) -> Tokens:
        return self._spelled(self._render(messages, True))

    def spelled(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens))
