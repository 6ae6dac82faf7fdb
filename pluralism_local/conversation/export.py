"""A conversation as a file: Markdown, JSON or HTML, as the file's ending says.

Conversation ──default_name──> "why-the-sea-is-salt.md"
text ──target──> Path | InvalidInput        Conversation, Path ──export──> the file | InvalidInput
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pluralism_local.errors import InvalidInput
from pluralism_local.history import Conversation, interchange, markdown, page
from pluralism_local.output_file import write_output

FORMATS: dict[str, Callable[[Sequence[Conversation]], str]] = {
    ".md": markdown.dump,
    ".json": interchange.dump,
    ".html": page.dump,
}
_LONGEST = 40  # characters of a name made from a title


def default_name(id: str, title: str) -> str:
    """A file name for a conversation: the title's words, else its id."""
    words = "-".join(re.findall(r"\w+", title.lower()))[:_LONGEST].strip("-_")
    return f"{words or id}.md"


def target(text: str) -> Path:
    """The file that a typed name means; ``~`` is expanded, other names start from the working folder.

    Raises: InvalidInput for an ending without a format, or a folder that is not there.
    """
    path = Path(text)
    try:
        path = path.expanduser()
    except RuntimeError:  # ~ of nobody
        raise InvalidInput(f"'{text}' is no path here.") from None
    if path.suffix.lower() not in FORMATS or not path.stem.strip("."):
        raise InvalidInput("The ending says the format:", ".md, .json or .html.")
    if not path.parent.is_dir():
        raise InvalidInput(f"There is no folder {path.parent}.")
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder.")
    return path


def export(conversation: Conversation, path: Path, *, replace: bool) -> None:
    """Write the conversation to `path`; an existing file stays as it is unless `replace`.

    Raises: InvalidInput when it exists, or cannot be written.
    """
    text = FORMATS[path.suffix.lower()]([conversation])
    try:
        if replace:
            write_output(path, text)
            return
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise InvalidInput(f"{path} exists.", "Give another name.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput(f"{path} cannot be written: {reason}.") from error
