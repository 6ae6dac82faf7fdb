"""Models to switch to: what is on disk, what stands behind aliases, and what is wrong with the broken ones.

    settings, current ──named_models──> ModelEntry…            name ──resolved──> ModelEntry | NotFound, InvalidInput

Headers are read, no model is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from pluralism_local.config import Settings
from pluralism_local.display.figures import one_line, size
from pluralism_local.errors import PlocalError
from pluralism_local.models import store
from pluralism_local.models.store import ModelDetails, ModelFile
from pluralism_local.remote_url import without_credentials
from pluralism_local.wiring import engine_name, server_of


@dataclass(frozen=True, slots=True)
class ModelEntry:
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


def named_models(settings: Settings, current: str) -> list[ModelEntry]:
    """All models that have a name, and `current`, whatever it is."""
    entries = [_of_file(file) for file in store.installed(settings)]
    names = {entry.name for entry in entries}
    entries += [_or_problem(name, settings) for name in sorted(settings.aliases) if name not in names]
    if current not in {entry.name for entry in entries}:
        entries.insert(0, _or_problem(current, settings))
    return entries


def resolved(name: str, settings: Settings) -> ModelEntry:
    """The model that a name or path means, with a readable header.

    Raises: NotFound, InvalidInput as `store.resolve` and `store.details` do.
    """
    served = server_of(name, settings)
    if served is not None:
        return ModelEntry(name, served.server.prefix)
    file = store.resolve(name, settings)
    return ModelEntry(name, file.source, file, store.details(file))


def _of_file(file: ModelFile) -> ModelEntry:
    try:
        return ModelEntry(file.name, file.source, file, store.details(file))
    except PlocalError as error:
        return ModelEntry(file.name, file.source, file, problem=error)


def _or_problem(name: str, settings: Settings) -> ModelEntry:
    try:
        return resolved(name, settings)
    except PlocalError as error:
        return ModelEntry(name, "alias" if name in settings.aliases else "-", problem=error)


def about(entry: ModelEntry, settings: Settings) -> Content:
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


def _facts(entry: ModelEntry, settings: Settings) -> list[tuple[str, str]]:
    details = entry.details
    if details is None or entry.file is None:
        where = without_credentials(engine_name(entry.name, settings)).partition(":")[2]
        return [("runs at", where), ("source", entry.source)]
    memory = (
        f"about {size(details.estimated_memory_bytes)} with {details.estimated_context:,} tokens of context"
    )
    return [
        ("title", details.name or ""),
        ("size", f"{size(details.file_bytes)}, {details.parameters:,} parameters"),
        ("quantization", details.quantization),
        ("context", f"{details.context_length:,} tokens" if details.context_length else ""),
        ("memory", memory),
        ("architecture", details.architecture),
        ("template", "none: a base model" if details.chat_template_sha256 is None else "yes"),
        ("licence", details.license or "not declared"),
        ("source", entry.source),
        ("path", str(entry.file.path)),
        ("fingerprint", details.fingerprint),
    ]
