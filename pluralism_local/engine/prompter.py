"""From messages to the prompt's text and tokens, by the model's own chat template or plainly.

A base model without a chat template (the paper's "unaligned" LLMs) gets the plain prompt: the messages' texts, one
after the other. With a template, the text ends with the header of the assistant's answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from pluralism_local.engine.chat_template import chat_renderer
from pluralism_local.engine.handles import Model
from pluralism_local.types import Message


class Prompter:
    """Renders and tokenizes for one model.

    Args:
        template: ``"auto"`` takes the GGUF's own template where there is one; ``"none"`` never does.
    """

    def __init__(self, model: Model, template: Literal["auto", "none"] = "auto") -> None:
        self._model = model
        text = model.chat_template() if template == "auto" else None
        self.template_sha256 = hashlib.sha256(text.encode()).hexdigest() if text else None
        self._render = (
            chat_renderer(text, bos=model.special_text("bos"), eos=model.special_text("eos"))
            if text
            else None
        )

    @property
    def chats(self) -> bool:
        """Whether a chat template is in use."""
        return self._render is not None

    def text(self, messages: Sequence[Message]) -> str:
        """The whole prompt.

        Raises:
            InvalidInput: the template refuses the conversation.
        """
        if self._render is None:
            return "\n\n".join(message.content for message in messages)
        return self._render(messages, True)

    def tokens(self, text: str) -> tuple[int, ...]:
        """Tokens of a prompt's text; a chat template writes its own begin token, a plain prompt gets it."""
        return self._model.tokenize(text, add_special=not self.chats, parse_special=self.chats)

    def more_tokens(self, text: str) -> tuple[int, ...]:
        """Tokens of text that continues a prompt."""
        return self._model.tokenize(text, add_special=False, parse_special=self.chats)

    def answer_header(self) -> tuple[int, ...]:
        """Tokens that open the assistant's turn, e.g. of ``<|im_start|>assistant\\n``; empty without a template."""
        if self._render is None:
            return ()
        probe = (Message("user", "x"),)
        without, with_header = self._render(probe, False), self._render(probe, True)
        if not with_header.startswith(without):
            return ()
        return self.more_tokens(with_header[len(without) :])
