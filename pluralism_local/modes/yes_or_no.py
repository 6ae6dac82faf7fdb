"""Whether a question is answered by yes or no, told by its last sentence."""

from __future__ import annotations

import re

from pluralism_local.sentences import sentences

_ASKS_WHAT = re.compile(r"(?:\w+\W+)?(?:what|who|whom|whose|which|when|where|why|how)\b", re.IGNORECASE)
_CHOICE = re.compile(r"\bor\b", re.IGNORECASE)


def asks_whether(question: str) -> bool:
    """Whether the last sentence asks for yes or no: no question word begins it, and it offers no choice."""
    *_, last = sentences(question) or [""]
    return last.endswith("?") and not _ASKS_WHAT.match(last) and not _CHOICE.search(last)
