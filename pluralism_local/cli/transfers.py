"""How transfers are shown: one line of progress on a terminal, two whole lines elsewhere; and what is asked before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Self

import typer

from pluralism_local.cli.output import Output
from pluralism_local.display.figures import duration, transfer_size
from pluralism_local.errors import InvalidInput

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.hub.download import Transfer

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would do, and do nothing. Default: off.")
]

_EVERY_SECONDS = 0.2


class TransferLine:
    """The progress of a pull; call it with every `Transfer`.

    Nothing to fetch tells nothing. On no terminal it says when it begins and when it is done.
    """

    def __init__(self, out: Output, name: str, missing: int) -> None:
        self._out, self._name, self._missing = out, name, missing
        self._last = 0.0
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        if self._missing and not self._out.interactive:
            self._out.note(f"Fetching {self._name} ({transfer_size(self._missing)}) …")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._out.clear_status()
        if kind is None and self._missing:
            self._out.note(f"Fetched {self._name} in {duration(time.monotonic() - self._begun)}.")

    def __call__(self, transfer: Transfer) -> None:
        now = time.monotonic()
        if now - self._last < _EVERY_SECONDS and transfer.done < transfer.total:
            return
        self._last = now
        self._out.status(progress_line(transfer))


def progress_line(transfer: Transfer) -> str:
    """``M-Q4_K_M.gguf: 41 % of 1.12 GB, 2.1 MB/s, 5:20 left``."""
    name = transfer.name.rpartition("/")[2]
    share = transfer.done / transfer.total if transfer.total else 1.0
    if transfer.checking:
        return f"{name}: checking, {share:.0%}"
    line = f"{name}: {share:.0%} of {transfer_size(transfer.total)}"
    if transfer.rate is not None:
        line += f", {transfer.rate / 1e6:.1f} MB/s"
    if transfer.seconds_left is not None:
        line += f", {duration(transfer.seconds_left)} left"
    return line


def confirm(out: Output, question: str, *, yes: bool) -> None:
    """Ask before something that cannot be taken back.

    Raises:
        InvalidInput: nobody can be asked, and there was no --yes. typer.Abort: the answer was no.
    """
    if yes:
        return
    if not out.interactive or out.format != "text":
        raise InvalidInput("This must be confirmed, and this is no terminal.", "Add --yes.")
    typer.confirm(question, abort=True, err=True)


def bind_cards(out: Output, settings: Settings) -> None:
    """After a pull: cards of the user whose base is here now get its fingerprint, and each is named."""
    from pluralism_local import config
    from pluralism_local.communities.library import own_folder
    from pluralism_local.sharing import bases

    for community, model in bases.bind(own_folder(config.paths().data_dir), settings):
        out.note(f"{community}: its base is here, {model}; the card has its fingerprint.")
