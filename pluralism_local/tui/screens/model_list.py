"""Models to switch to: what is on disk, what stands behind aliases, and what is wrong with the broken ones.

    settings, current ──found──> Entry…            name ──resolved──> Entry | NotFound, InvalidInput

Headers are read, no model is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from pluralism_local.config import Settings
from pluralism_local.display.figures import one_line
from pluralism_local.errors import PlocalError
from pluralism_local.models import store
from pluralism_local.models.store import ModelDetails, ModelFile
from pluralism_local.remote_url import without_credentials
from pluralism_local.wiring import engine_name, server_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One model.

    Attributes:
        source: ``"starter"``, ``"path"``, ``"alias"``, ``"hub"``, or a server's prefix, such as ``"remote"``.
        file, details: None where there is no file, or no sound one.
        problem: what is wrong with it; None if it can be used.
    """

    name: str
    source: str
    file: ModelFile | None = None
    details: ModelDetails | None = None
    problem: PlocalError | None = None

    @property
    def title(self) -> str:
        """Its name as it may be shown: without the user name and password of a URL."""
        return without_credentials(self.name)


def found(settings: Settings, current: str) -> list[Entry]:
    """All models that have a name, and `current`, whatever it is."""
    entries = [_of_file(file) for file in store.installed(settings)]
    names = {entry.name for entry in entries}
    entries += [_or_problem(name, settings) for name in sorted(settings.aliases) if name not in names]
    if current not in {entry.name for entry in entries}:
        entries.insert(0, _or_problem(current, settings))
    return entries


def resolved(name: str, settings: Settings) -> Entry:
    """The model that a name or path means, with a readable header.

    Raises: NotFound, InvalidInput as `models.resolve` and `models.details` do.
    """
    served = server_of(name, settings)
    if served is not None:
        return Entry(name, served.server.prefix)
    file = store.resolve(name, settings)
    return Entry(name, file.source, file, store.details(file))


def _of_file(file: ModelFile) -> Entry:
    try:
        return Entry(file.name, file.source, file, store.details(file))
    except PlocalError as error:
        return Entry(file.name, file.source, file, problem=error)


def _or_problem(name: str, settings: Settings) -> Entry:
    try:
        return resolved(name, settings)
    except PlocalError as error:
        return Entry(name, "alias" if name in settings.aliases else "-", problem=error)


def size(count: int | None) -> str:
    """``1.2 GB``, ``92 MB``; ``-`` for None."""
    if count is None:
        return "-"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def about(entry: Entry, settings: Settings) -> Content:
    """Everything that is known of a model."""
    head = Content.assemble((one_line(entry.title), "bold"))
    if entry.problem is not None:
        return Content("\n\n").join(
            [head, *(Content(one_line(text)) for text in (entry.problem.message, entry.problem.hint) if text)]
        )
    facts = _facts(entry, settings)
    return Content("\n").join(
        [head, *(Content.assemble((f"{what}  ", "bold"), one_line(text)) for what, text in facts if text)]
    )


def _facts(entry: Entry, settings: Settings) -> list[tuple[str, str]]:
    found = entry.details
    if found is None or entry.file is None:
        where = without_credentials(engine_name(entry.name, settings)).partition(":")[2]
        return [("runs at", where), ("source", entry.source)]
    memory = f"about {size(found.estimated_memory_bytes)} with {found.estimated_context:,} tokens of context"
    return [
        ("title", found.name or ""),
        ("size", f"{size(found.file_bytes)}, {found.parameters:,} parameters"),
        ("quantization", found.quantization),
        ("context", f"{found.context_length:,} tokens" if found.context_length else ""),
        ("memory", memory),
        ("architecture", found.architecture),
        ("template", "none: a base model" if found.chat_template_sha256 is None else "yes"),
        ("licence", found.license or "not declared"),
        ("source", entry.source),
        ("path", str(entry.file.path)),
        ("fingerprint", found.fingerprint),
    ]
