"""Secrets out of what a server says: it may send back the very header that was sent to it."""

from __future__ import annotations

import unicodedata
from base64 import b64encode

SHORTEST = 4  # characters; blotting out anything shorter would blot out ordinary words
PART = 8  # characters of a secret that are hidden where they stand alone, so that half of it is no use either
BLOT = "***"


class Blotter:
    """Replaces secrets, and any eight characters in a row of one, by ``***``; also where they are spaced or escaped."""

    def __init__(self, *secrets: str) -> None:
        parts: set[str] = set()
        for secret in map(_bare, secrets):
            if len(secret) >= SHORTEST:
                size = min(len(secret), PART)
                parts |= {secret[at : at + size] for at in range(len(secret) - size + 1)}
        self._parts = frozenset(parts)
        self._sizes = sorted({len(part) for part in parts})

    @classmethod
    def of_credentials(cls, key: str, credentials: tuple[str, str] | None) -> Blotter:
        """Hides a bearer token, and a password as it stands and as the header of Basic authentication has it."""
        if credentials is None:
            return cls(key)
        header = b64encode(":".join(credentials).encode()).decode()
        return cls(key, credentials[1], header.rstrip("="))

    def __call__(self, text: str) -> str:
        """`text` without the secrets."""
        visible = [at for at, character in enumerate(text) if not _ignored(character)]
        bare = "".join(text[at] for at in visible)
        hidden: set[int] = set()
        for size in self._sizes:
            for at in range(len(bare) - size + 1):
                if bare[at : at + size] in self._parts:
                    hidden.update(range(visible[at], visible[at + size - 1] + 1))
        out = []
        for at, character in enumerate(text):
            if at not in hidden:
                out.append(character)
            elif at - 1 not in hidden:
                out.append(BLOT)
        return "".join(out)


def _bare(secret: str) -> str:
    return "".join(character for character in secret if not _ignored(character))


def _ignored(character: str) -> bool:
    """White space, invisible characters and the backslash of an escape, which may stand within a secret."""
    return character == "\\" or unicodedata.category(character)[0] in "ZC"
