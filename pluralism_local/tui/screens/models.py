"""Which model answers: what is on disk, checked on request, or any name or path.

    settings, current ──ModelsScreen──> dismiss(name), or None for the current one

Headers and checksums are read in threads. A broken file is listed with what is wrong, and cannot be chosen.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from pluralism_local.config import Settings
from pluralism_local.display.figures import one_line, size
from pluralism_local.errors import Cancelled, InvalidInput
from pluralism_local.models.check import SoundFile, verify
from pluralism_local.remote_url import without_credentials
from pluralism_local.tui.screens.frame import BACK, DETAILS, HELP, DetailsPane, Frame
from pluralism_local.tui.screens.model_list import ModelEntry, about, named_models, resolved
from pluralism_local.tui.screens.rows import ListRow, Rows
from pluralism_local.tui.screens.screen_keys import ScreenKey, bindings

GET_STARTER = 'No model is here. Get the starter with: pip install "pluralism-local[starter]"'


class ModelsScreen(Frame[str | None]):
    """Choose the model.

    Args:
        settings: with the aliases.
        current: name of the model in use.
    """

    NAME = "models"
    KEYS = (
        ScreenKey("enter", "use", "enter", "use", "Switch to the model"),
        ScreenKey(
            "v", "verify", "v", "verify", "Check its file against the SHA-256 on record; v again stops"
        ),
        ScreenKey(
            "slash,ctrl+f", "search", "/", "name or path", "Type any name or path, e.g. hf:user/repo:Q4_K_M"
        ),
        DETAILS,
        BACK,
        HELP,
    )
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS), Binding("down", "to_list", show=False)]
    AUTO_FOCUS = "#list"

    class Read(Message):
        """So much of the file that is being verified is read: a share in [0, 1]."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self, settings: Settings, current: str) -> None:
        super().__init__()
        self._settings = settings
        self._current = current
        self._entries: list[ModelEntry] = []
        self._stop: threading.Event | None = None  # of the check that is running

    def content(self) -> Iterator[Widget]:
        yield Input(placeholder="/ name or path of any other model", id="search", compact=True)
        yield Container(Rows(id="list"), DetailsPane(), id="split")

    def on_mount(self) -> None:
        self._read()

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        self.say("Reading the files …")
        self._entries = await asyncio.to_thread(named_models, self._settings, self._current)
        self.say()
        self.entitle(f"{without_credentials(self._current)} in use")
        self.query_one("#list", Rows).show([self._row(entry) for entry in self._entries], self._current)
        if not any(entry.file for entry in self._entries):
            self.say(GET_STARTER)

    def _row(self, entry: ModelEntry) -> ListRow:
        mark = "✗ " if entry.problem else "● " if entry.name == self._current else "  "
        if entry.problem is not None:
            return ListRow(entry.name, one_line(f"{entry.title} · {entry.problem.message}"), mark, faint=True)
        details = entry.details
        text = f"{entry.title} · {details.name}" if details and details.name else entry.title
        if details is None:
            return ListRow(entry.name, one_line(text), mark, (entry.source,))
        sized = size(details.file_bytes)
        context = f"{details.context_length:,}" if details.context_length else "-"
        quantization = one_line(details.quantization, 10)
        right = (
            f"{sized:>7}  {quantization:<7} {context:>8}  {entry.source:<7}",
            f"{sized:>7}  {quantization:<7}",
        )
        return ListRow(entry.name, one_line(text), mark, right)

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        if (entry := self._entry(event.row)) is not None:
            self.query_one(DetailsPane).show(about(entry, self._settings))

    @on(Rows.Chosen)
    def _chosen(self) -> None:
        self.action_use()

    def action_use(self) -> None:
        with self.telling():
            self._leave_with(self._here())

    @on(Input.Submitted, "#search")
    @work(exclusive=True, group="name")
    async def _named(self, event: Input.Submitted) -> None:
        name = event.value.strip()
        if not name:
            self.action_to_list()
            return
        with self.telling():
            self._leave_with(await asyncio.to_thread(resolved, name, self._settings))

    def _leave_with(self, entry: ModelEntry) -> None:
        if entry.problem is not None:
            raise entry.problem
        self.dismiss(None if entry.name == self._current else entry.name)

    def action_verify(self) -> None:
        if self._stop is not None:
            self._stop.set()
            return
        with self.telling():
            entry = self._here()
            if entry.file is None:
                raise entry.problem or InvalidInput(f"'{entry.title}' is no file here to be checked.")
            self._stop = threading.Event()
            self._verify(entry, entry.file.path, self._stop)

    @work
    async def _verify(self, entry: ModelEntry, path: Path, stop: threading.Event) -> None:
        with self.telling():
            try:
                checked = await asyncio.to_thread(verify, path, self._tell, stop.is_set)
                self.say(_verdict(entry, checked))
            except Cancelled:
                self.say("The check was stopped.")
            finally:  # also when the screen is gone
                stop.set()
                self._stop = None

    def _tell(self, share: float) -> None:
        """Called in the thread that reads."""
        self.post_message(self.Read(share))

    @on(Read)
    def _show_progress(self, event: Read) -> None:
        if self._stop is not None:
            blocks = round(event.share * 20)
            bar = "█" * blocks + "░" * (20 - blocks)
            self.say(f"Checking {bar} {100 * event.share:.0f} % · v stops")

    def _here(self) -> ModelEntry:
        entry = self._entry(self.query_one("#list", Rows).row)
        if entry is None:
            raise InvalidInput("There is no model to choose.", GET_STARTER)
        return entry

    def _entry(self, row: ListRow | None) -> ModelEntry | None:
        return next((entry for entry in self._entries if row is not None and entry.name == row.key), None)


def _verdict(entry: ModelEntry, checked: list[SoundFile]) -> str:
    by = checked[0].compared_with
    compared = f"as {by} has it" if by else "(nobody has one on record)"
    digests = ", ".join(part.sha256 for part in checked)
    tensors = sum(part.tensors for part in checked)
    return f"{entry.title} is sound: all {tensors} tensors, SHA-256 {compared}: {digests}."
