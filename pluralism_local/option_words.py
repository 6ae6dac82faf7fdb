"""Options of the command line in the words of who cannot type them.

a sentence that names "--community" ──reworded──> the same with a protocol's field, or a key of the chat, in its place
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_OPTION = re.compile(r"(?<![\w'`-])(?:--[a-z]+(?:-[a-z]+)*|-p)(?![\w-])")


def reworded(text: str, words: Mapping[str, str]) -> str:
    """`text` with these words for its options, by name (``"--pool"``); other options stay as they are."""
    return _OPTION.sub(lambda option: words.get(option[0], option[0]), text)
