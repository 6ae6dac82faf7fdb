"""A model's name, read once: what it stands for, before anything is looked up.

    text, aliases ──parse──> ModelName(text, place, tag)
    text, aliases ──follow──> the same; an alias of a server has become that server's name

    starter                                  Starter
    hf:user/repo[:QUANT][@REVISION]          Hub
    remote:…, scripted:…, kaleido:…          Served (remote: a URL, or the name of one in the config file)
    with a separator, or ending in .gguf     File
    a key of `aliases`                       Alias
    anything else                            File, in the working folder: there or not

Behind any but a server's name ``@fast`` or a file type, such as ``@Q4_0``, is the tag of a copy that was made faster;
anything else behind an @ of a Hub's name is a revision.
Reading never fails: a name that cannot be is refused by whoever looks it up (`models.resolve`, `wiring.open_engine`).

A new type of server takes an entry of `SERVERS` and an engine with a ``from_spec``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FAST = "fast"
"""The tag of the copy that was kept last."""

COPY_TYPES = ("Q4_0", "IQ4_NL", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0")
"""File types that copies are written in, smallest first; each is a tag, too."""

STARTER = "starter"

_SCHEME = re.compile(r"[a-z]{2,}:")  # two letters at least: C: is a disk
_HUB = re.compile(
    r"hf:(?P<repo>\w[\w.-]*/\w[\w.-]*)(?::(?P<selector>[^:@]+))?(?:@(?P<revision>[\w][\w./-]*))?", re.ASCII
)
_REMOTE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,63})(?:/(?P<model>\S.*))?")
_TAGS = {tag.lower(): tag for tag in (FAST, *COPY_TYPES)}


@dataclass(frozen=True, slots=True)
class ServerType:
    """A type of model that is no file here.

    Attributes:
        prefix: what its names begin with, before the colon.
        form: how its names are written, for help texts; `remark` is said behind it.
        what, needs, get: what such a model is, what it takes, and how one comes by it, each a line of `models show`.
        modules: what must be installed for it.
        engine: ``"module:class"`` of its engine, imported when one is opened. Its ``from_spec`` takes what follows
            the colon, and where `is_url` also ``api_key`` (``""`` for none) and ``options``, a `RemoteOptions`.
        is_url: what follows the colon is read by `remote_url`, and minded by ``--offline``; or it is the `named_remote`
            whose URL the config file has.
        adapters: whether communities can speak through it; if not, they run on a local model.
    """

    prefix: str
    form: str
    engine: str
    is_url: bool
    adapters: bool
    what: str
    needs: str
    get: str
    modules: tuple[str, ...] = ()
    remark: str = ""


SERVERS = {
    server.prefix: server
    for server in (
        ServerType(
            prefix="remote",
            form="remote:URL[#model], remote:NAME[/model]",
            engine="pluralism_local.engine.remote:RemoteEngine",
            is_url=True,
            adapters=False,
            what="an LLM behind a server that speaks the OpenAI protocol; it takes no adapters",
            needs="a server that answers at that address, and maybe an API key: plocal keys set URL",
            get="start llama-server, vllm serve or the like, or name a service; plocal ask -m NAME asks it",
        ),
        ServerType(
            prefix="scripted",
            form="scripted:[FILE.json]",
            engine="pluralism_local.engine.scripted:ScriptedEngine",
            is_url=False,
            adapters=True,
            what="no model: it makes up text, or says what a file tells it to, for trying things out and for tests",
            needs="nothing, or a file of JSON",
            get="it is here; plocal ask -m scripted: asks it",
            remark="made-up text, for trying things out",
        ),
        ServerType(
            prefix="kaleido",
            form="kaleido:FOLDER|USER/REPO",
            engine="pluralism_local.engine.kaleido:KaleidoEngine",
            is_url=False,
            adapters=False,
            what="Kaleido, a T5 that names values, rights and duties, and answers nothing else",
            needs='transformers and PyTorch: pip install "pluralism-local[train]"',
            get="accept the licence of allenai/kaleido-large at huggingface.co, then hf download allenai/kaleido-large "
            'and ask: plocal values -m kaleido:allenai/kaleido-large "Biking to work"; or give a folder',
            modules=("torch", "transformers"),
            remark="for plocal values alone",
        ),
    )
}
"""Every type of server, by its prefix."""


@dataclass(frozen=True, slots=True)
class Starter:
    """The model that comes with the package's extra of that name."""


@dataclass(frozen=True, slots=True)
class File:
    """A file by its path; `bare`: a word alone, which is a file only if the working folder has one of that name."""

    path: str
    bare: bool


@dataclass(frozen=True, slots=True)
class Alias:
    """A name of the user's, and the name that it stands for."""

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Hub:
    """A file of a Hub repository.

    Attributes:
        repo: ``user/repo``; None where what follows ``hf:`` can be none.
        selector: the quantization or the file; None takes the only one.
        revision: a branch, a tag or a commit; None takes what is here, ``main`` first.
    """

    repo: str | None
    selector: str | None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A model of a server: `rest` is what follows the prefix."""

    server: ServerType
    rest: str


Place = Starter | File | Alias | Hub | Served


@dataclass(frozen=True, slots=True)
class ModelName:
    """A name as it was read.

    Attributes:
        text: as it was written.
        place: where the model is.
        tag: ``"fast"`` or one of `COPY_TYPES`; None for the model itself.
    """

    text: str
    place: Place
    tag: str | None = None

    @property
    def source(self) -> str:
        """The name without its tag, as it was written."""
        return self.text if self.tag is None else self.text.rpartition("@")[0]


def parse(text: str, aliases: Mapping[str, str] | None = None) -> ModelName:
    """Read a name; without `aliases` none is an alias."""
    served = served_by(text)
    if served is not None:
        return ModelName(text, served)
    source, at, tag = text.rpartition("@")
    known_tag = _TAGS.get(tag.lower()) if at and source else None
    return ModelName(text, _place(source if known_tag else text, aliases or {}), known_tag)


def follow(text: str, aliases: Mapping[str, str]) -> ModelName:
    """Read a name; an alias that leads to a server, over others or not, is read as the server's name."""
    name = last = parse(text, aliases)
    for _ in aliases:  # a circle of aliases is `models.resolve`'s to refuse
        if not isinstance(last.place, Alias) or last.tag is not None:
            break
        last = parse(last.place.target, aliases)
    return last if isinstance(last.place, Served) else name


def served_by(text: str) -> Served | None:
    """The server that a name begins with; None if with none."""
    prefix, colon, rest = text.partition(":")
    return Served(SERVERS[prefix], rest) if colon and prefix in SERVERS else None


def url_of(text: str) -> str | None:
    """The URL in a server's name, as it was written; None for any other name."""
    served = served_by(text)
    if served is None or not served.server.is_url or named_remote(served.rest) is not None:
        return None
    return served.rest


def named_remote(rest: str) -> tuple[str, str | None] | None:
    """The name of a remote of the config file and maybe of a model there, out of what follows ``remote:``.

    None where that is a URL, or neither.
    """
    match = _REMOTE.fullmatch(rest)
    return None if match is None else (match["name"], match["model"])


def hub(text: str) -> Hub | None:
    """What ``hf:user/repo[:FILE][@REVISION]`` names; None for a name that does not begin so."""
    if not text.startswith("hf:"):
        return None
    match = _HUB.fullmatch(text)
    return Hub(None, None) if match is None else Hub(match["repo"], match["selector"], match["revision"])


def names_a_file(text: str) -> bool:
    """Whether a model's name is meant as a path: it has a separator or ends in .gguf, and no ``scheme:``."""
    place = parse(text).place
    return isinstance(place, File) and not place.bare


def without_folders(text: str) -> str:
    """A model's name for where there is little room: of a path its end, which tells files apart; else as it is."""
    return Path(text).name if isinstance(parse(text).place, File) else text


def server_forms() -> str:
    """How the names of all servers are written, for help texts: ``remote:URL[#model], scripted:[FILE.json] (…)``."""
    return ", ".join(
        f"{server.form} ({server.remark})" if server.remark else server.form for server in SERVERS.values()
    )


def _place(text: str, aliases: Mapping[str, str]) -> Place:
    if text == STARTER:
        return Starter()
    repository = hub(text)
    if repository is not None:
        return repository
    is_path = "/" in text or os.sep in text or text.lower().endswith(".gguf")
    if is_path and not _SCHEME.match(text):
        return File(text, bare=False)
    # before a file of that name: a folder must not choose the model
    return Alias(text, aliases[text]) if text in aliases else File(text, bare=True)
