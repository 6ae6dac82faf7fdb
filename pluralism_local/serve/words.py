"""What options of the command line are called where they cannot be typed: by the fields of a protocol.

What a client can say is a field of its own; what only whoever starts the server can, an option of that command.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_OF_THE_START = (
    "--comment-max-tokens",
    "--communities-model",
    "--ctx-size",
    "--force",
    "--gpu-layers",
    "--offline",
    "--samples",
    "--take-sides",
    "--template",
    "--threads",
)
_DRAWN_AS_STARTED = ("--max-tokens", "--orders", "--seed", "--temperature", "--top-p", "--community", "-p")

CHAT_COMPLETIONS: Mapping[str, str] = MappingProxyType(
    {
        "--attribute": "'plural.attribute' (or a line 'attribute: …' before the question)",
        "--community": "'plural.communities'",
        "-p": "'plural.communities'",
        "--draws": "'plural.draws'",
        "--max-tokens": "'max_tokens'",
        "--mode": "the model",
        "--option": "'plural.options' (or a line 'options: … | …' before the question)",
        "--orders": "'plural.orders'",
        "--pool": "the model's name (as in 'overton:cultures')",
        "--seed": "'seed'",
        "--temperature": "'temperature'",
        "--top-p": "'top_p'",
        **{option: f"{option} of plocal serve" for option in _OF_THE_START},
    }
)
"""For clients of `plocal serve`."""

TOOLS: Mapping[str, str] = MappingProxyType(
    {
        "--attribute": "'attribute'",
        "--draws": "'draws'",
        "--mode": "the mode",
        "--option": "'options'",
        "--pool": "'pool'",
        **{option: f"{option} of plocal mcp" for option in (*_OF_THE_START, *_DRAWN_AS_STARTED)},
    }
)
"""For agents, who call the tools of `plocal mcp`."""
