"""From messages to the prompt and its tokens, by the model's own chat template or plainly.

    messages ──prompt──> Marked ──tokens──> token ids
                           └──text──> what a person reads

A base model without a chat template (the paper's "unaligned" LLMs) gets the plain prompt (see `plain_form`). With a
template, the prompt ends with the header of the assistant's answer, and what the messages say
is text, whatever it spells (see `markers`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pluralism_local.engine.chat_template import chat_renderer
from pluralism_local.engine.handles import Model
from pluralism_local.engine.markers import Marked, Markers, unquote
from pluralism_local.engine.plain_form import STOPS, plain_form
from pluralism_local.types import Message


class Prompter:
    """Renders and tokenizes for one model.

    Args:
        template: ``"auto"`` takes the GGUF's own template where there is one; ``"none"`` never does.

    Attributes:
        is_base: the model has no template that could be taken.
    """

    def __init__(self, model: Model, template: Literal["auto", "none"] = "auto") -> None:
        self._model = model
        self.is_base = template == "auto" and not model.chat_template()
        text = model.chat_template() if template == "auto" else None
        self.template_sha256 = hashlib.sha256(text.encode()).hexdigest() if text else None
        self._markers = Markers(model.markers() if text else (), text or "")
        self._render = (
            chat_renderer(text, bos=model.special_text("bos"), eos=model.special_text("eos"))
            if text
            else None
        )

    @property
    def chats(self) -> bool:
        """Whether a chat template is in use."""
        return self._render is not None

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an answer; with a template the model ends it itself."""
        return () if self.chats else STOPS

    def prompt(self, messages: Sequence[Message]) -> Marked:
        """The whole prompt, the contents quoted.

        Raises:
            InvalidInput: the template refuses the conversation.
        """
        quoted = [Message(message.role, self.quote(message.content)) for message in messages]
        if self._render is None:
            return Marked(plain_form(quoted))
        return Marked(self._render(quoted, True))

    def quote(self, text: str) -> Marked:
        """Text as it stands in a prompt where a message or the model says it."""
        return self._markers.quote(text, self._header_begin)

    def text(self, messages: Sequence[Message]) -> str:
        """The whole prompt as people read it.

        Raises:
            InvalidInput: the template refuses the conversation.
        """
        return unquote(self.prompt(messages))

    def tokens(self, prompt: Marked) -> tuple[int, ...]:
        """Tokens of a prompt; a chat template writes its own begin token, a plain prompt gets it."""
        if not self.chats:
            return self._model.tokenize(unquote(prompt), add_special=True, parse_special=False)
        return self.more_tokens(prompt)

    def more_tokens(self, text: Marked, *, after: str = "") -> tuple[int, ...]:
        """Tokens of what continues a prompt that ends with `after`."""
        if not (after and self._spaces_texts) or self._markers.ends_with_one(after):
            return self._spell(text)
        # a vocabulary that puts a space in front of every text puts none inside of one
        line = self._spell(Marked("\n"))
        tokens = self._spell(Marked("\n" + text))
        return tokens[len(line) :] if tokens[: len(line)] == line else self._spell(text)

    def _spell(self, text: Marked) -> tuple[int, ...]:
        return self._markers.spell(text, self._whole if self.chats else self._plain, self._plain)

    @cached_property
    def _spaces_texts(self) -> bool:
        """Whether the vocabulary puts a space in front of every text."""
        return b"".join(map(self._model.piece, self._plain("a"))).startswith(b" ")

    def steers(self, tokens: Sequence[int]) -> bool:
        """Whether one of `tokens` is a marker of the template: no text has it."""
        return any(token in self._markers for token in tokens)

    def before_header(self, prompt: Marked) -> Marked:
        """The part of a prompt that the first header of an answer ends; all of it if there is none."""
        return Marked(prompt.partition(self._header)[0]) if self._header else prompt

    def answer_header(self) -> tuple[int, ...]:
        """Tokens that open the assistant's turn, e.g. of ``<|im_start|>assistant\\n``; empty without a template."""
        return self.more_tokens(
            self._header, after="" if self._markers.begins_with_one(self._header) else "x"
        )

    @cached_property
    def _header(self) -> Marked:
        """What the template writes to open an answer; empty if it opens none."""
        if self._render is None:
            return Marked("")
        probe = (Message("user", "x"),)
        # some templates write the end's token where no answer is to follow
        without = self._render(probe, False).removesuffix(self._model.special_text("eos"))
        with_header = self._render(probe, True)
        return Marked(with_header[len(without) :] if with_header.startswith(without) else "")

    @cached_property
    def _header_begin(self) -> str:
        """The first character of a header that is plain text: quoted as well, so that no message can spell it."""
        marked = self._markers.has_marker(self._header)
        return "" if marked else self._header.strip()[:1]

    def _whole(self, text: str) -> tuple[int, ...]:
        return self._model.tokenize(text, add_special=False, parse_special=True)

    def _plain(self, text: str) -> tuple[int, ...]:
        return self._model.tokenize(text, add_special=False, parse_special=False)
