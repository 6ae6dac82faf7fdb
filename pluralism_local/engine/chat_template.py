"""A model's chat template as a function: a conversation in, the prompt's text out.

    template, bos, eos ──chat_renderer──> (messages, with answer header?) ──> text

Rendered in a sandbox of our own, as transformers renders it (see `template_sandbox`): templates are written by
strangers. Failure modes: a template that is no Jinja, one that refuses the conversation, and one that does more work
than a template may, are `InvalidInput` with the way to do without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from pluralism_local.engine.folding import fold_system
from pluralism_local.engine.template_sandbox import Sandbox, TooMuchWork
from pluralism_local.engine.thoughts import SWITCHES, closed
from pluralism_local.errors import InvalidInput
from pluralism_local.types import Message

ChatRenderer = Callable[[Sequence[Message], bool], str]
_WITHOUT = "Use --template none for a plain prompt."


def chat_renderer(template: str, *, bos: str, eos: str) -> ChatRenderer:
    """A function (messages, with answer header?) -> prompt text.

    A template that refuses a system message, or leaves it out, gets it at the head of the first user message. One that
    lets the model think first is asked not to.

    Raises:
        InvalidInput: the template is not valid Jinja; when called, that it refuses the messages, or works too much.
    """
    sandbox = Sandbox()
    try:
        compiled = sandbox.from_source(template)
    except Exception as error:
        raise InvalidInput(f"The model's chat template cannot be read: {_why(error)}.", _WITHOUT) from error
    nothing = dict.fromkeys(("functions", "function_call", "tools", "tool_choice"))

    def attempt(messages: Sequence[Message], header: bool) -> str:
        plain = [{"role": message.role, "content": message.content} for message in messages]
        text = sandbox.render(
            compiled,
            plain,
            add_generation_prompt=header,
            bos_token=bos,
            eos_token=eos,
            **nothing,
            **SWITCHES,
        )
        return closed(text) if header else text

    def with_system_words(messages: Sequence[Message], header: bool, text: str) -> str:
        """`text`, or the conversation with the system's words folded in where only that shows them."""
        folded = fold_system(messages)
        if folded is None or (words := messages[0].content.strip()) in text:
            return text
        with suppress(Exception):
            if words in (prompt := attempt(folded, header)):
                return prompt
        return text

    def render(messages: Sequence[Message], header: bool) -> str:
        try:
            return with_system_words(messages, header, attempt(messages, header))
        except TooMuchWork as error:
            raise InvalidInput(
                f"The model's chat template does more than a template may: {error}.", _WITHOUT
            ) from error
        except Exception as error:
            folded = fold_system(messages)
            if folded is None:
                raise InvalidInput(
                    f"The model's chat template refuses this conversation: {_why(error)}.", _WITHOUT
                ) from error
        return render(folded, header)

    return render


def _why(error: Exception) -> str:
    """The error in one short line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return (words if len(words) <= 200 else f"{words[:200]} …").rstrip(".")
