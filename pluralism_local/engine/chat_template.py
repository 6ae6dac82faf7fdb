"""A model's chat template as a function: a conversation in, the prompt's text out.

    template, bos, eos ──chat_renderer──> (messages, with answer header?) ──> text

Rendered by llama-cpp-python's Jinja sandbox, and nothing else of that package: no model is loaded. Failure modes: a
template that is no Jinja, or one that refuses the conversation, is `InvalidInput` with the way to do without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llama_cpp import llama_chat_format

from pluralism_local.engine.folding import fold_system
from pluralism_local.engine.thoughts import SWITCHES, closed
from pluralism_local.errors import InvalidInput
from pluralism_local.types import Message

ChatRenderer = Callable[[Sequence[Message], bool], str]


def chat_renderer(template: str, *, bos: str, eos: str) -> ChatRenderer:
    """A function (messages, with answer header?) -> prompt text, by llama-cpp-python's sandboxed renderer.

    A template that refuses a system message gets it at the head of the first user message.

    Raises:
        InvalidInput: the template is not valid Jinja; when called, that it refuses the messages.
    """
    try:
        formatters = {
            header: llama_chat_format.Jinja2ChatFormatter(
                template=template, eos_token=eos, bos_token=bos, add_generation_prompt=header
            )
            for header in (False, True)
        }
    except Exception as error:
        raise InvalidInput(
            f"The model's chat template cannot be read: {error}.", "Use --template none for a plain prompt."
        ) from error

    def attempt(messages: Sequence[Message], header: bool) -> str:
        plain: list[Any] = [{"role": m.role, "content": m.content} for m in messages]
        text = str(formatters[header](messages=plain, **SWITCHES).prompt)
        return closed(text) if header else text

    def render(messages: Sequence[Message], header: bool) -> str:
        try:
            return attempt(messages, header)
        except Exception as error:
            folded = fold_system(messages)
            if folded is None:
                raise InvalidInput(
                    f"The model's chat template refuses this conversation: {error}.",
                    "Use --template none for a plain prompt.",
                ) from error
        return render(folded, header)

    return render
