"""A conversation for models that only continue text: questions and answers, and where an answer ends.

    messages ──plain_form──> "Question: …\\nAnswer:", with what was said before in front of it
    STOPS: what such a model writes next instead of ending

A base model never ends a turn: behind its answer it opens the next question, in the form that it has seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.types import Message

STOPS = ("\nQuestion:", "\nSituation:", "\nPassage 1:")
"""Texts that end an answer: our own prompts begin with them."""


def plain_form(messages: Sequence[Message]) -> str:
    """The prompt. A question that itself ends with a colon opens its answer already, as "…\\nComment:" does."""
    text = ""
    for message in messages:
        content = message.content
        if message.role == "assistant":
            text += content if content[:1].isspace() else f" {content}"
            continue
        text += "\n\n" if text else ""
        if message.role == "system":
            text += content
        else:
            text += f"Question: {content}" + ("" if content.rstrip().endswith(":") else "\nAnswer:")
    return text
