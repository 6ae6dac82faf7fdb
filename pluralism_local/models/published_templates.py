"""Chat templates for instruct models whose GGUF was written before files carried one.

general.name ──published_template──> Jinja, or None

Files of 2023 have a model's weights and tokens, and no template. Prompted in plain text, as a base model is, an
instruct model answers badly; its makers say how it is to be prompted.
"""

from __future__ import annotations

import re

_INST = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'user' %}{{ '[INST] ' + message.content + ' [/INST]' }}"
    "{% elif message.role == 'assistant' %}{{ message.content + eos_token + ' ' }}{% endif %}"
    "{% endfor %}"
)
"""Mistral's: the form of mistralai/Mistral-7B-Instruct-v0.1 and v0.2; no turn for a system, no header of an answer."""

_PUBLISHED = ((re.compile(r"mistral-?7b-instruct-?v0\.[12]"), _INST),)


def published_template(name: str | None) -> str | None:
    """The template that the makers of a model of this ``general.name`` published; None for any other model."""
    spelled = re.sub(r"[\s_-]+", "-", (name or "").lower())
    return next((template for form, template in _PUBLISHED if form.search(spelled)), None)
