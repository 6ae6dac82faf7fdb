"""What to change without leaving the chat: sampling, context, threads and the like.

    settings, origin ──SettingsScreen──> dismiss({name: new value}), or None if nothing changed

Each value is checked while it is typed. The line below the form says of the field with the focus what its value must
be, where the present one comes from, and whether a variable or flag overrides what is saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import DescendantFocus
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Static

from pluralism_local.config import Settings
from pluralism_local.errors import PlocalError
from pluralism_local.tui.screens import fields
from pluralism_local.tui.screens.confirm import Unsaved
from pluralism_local.tui.screens.frame import HELP, Frame
from pluralism_local.tui.screens.screen_keys import ScreenKey, bindings


class SettingChoice(Static, can_focus=True):
    """One of a few values; left, right and space go through them."""

    DEFAULT_CSS = """
    SettingChoice { width: 1fr; height: 1; }
    SettingChoice:focus { text-style: bold reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "turn(1)", show=False),
        Binding("left", "turn(-1)", show=False),
    ]
    value: reactive[str] = reactive("", layout=True)

    class Changed(Message):
        """Another value was chosen."""

        def __init__(self, choice: SettingChoice) -> None:
            super().__init__()
            self.choice = choice

    def __init__(self, values: Sequence[str], value: str, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self._values = [*values] if value in values else [value, *values]
        self.set_reactive(SettingChoice.value, value)

    def render(self) -> Content:
        return Content(f"‹ {self.value} ›")

    def on_click(self) -> None:
        self.action_turn(1)

    def action_turn(self, by: int) -> None:
        self.value = self._values[(self._values.index(self.value) + by) % len(self._values)]
        self.post_message(self.Changed(self))


class SettingsScreen(Frame[dict[str, object] | None]):
    """Change settings.

    Args:
        settings: in force.
        origin: of each, as `config.Loaded` has it.
    """

    NAME = "settings"
    KEYS = (
        ScreenKey("enter,ctrl+s", "save", "enter", "save", "Use and keep what was changed"),
        ScreenKey("up", "app.focus_previous", "↑↓", "field", "The field above or below; Tab goes there, too"),
        ScreenKey("", "", "← →", "choose", "Another value, where there are few"),
        ScreenKey("ctrl+z", "restore", "^z", "undo", "The field as it was"),
        ScreenKey("ctrl+r", "built_in", "^r", "built-in", "The field's built-in value"),
        ScreenKey("escape", "back", "esc", "back", "Back; with changes, after asking what becomes of them"),
        HELP,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(KEYS),
        Binding("down", "app.focus_next", show=False),
    ]
    DEFAULT_CSS = """
    SettingsScreen #form { height: 1fr; overflow-y: auto; padding: 0 1; scrollbar-size-vertical: 1; }
    SettingsScreen .group { text-style: bold underline; height: 1; }
    SettingsScreen .field { height: 1; width: 100%; }
    SettingsScreen .field > .label { width: 18; padding: 0 1 0 2; }
    SettingsScreen .field:focus-within > .label { text-style: bold; }
    SettingsScreen .field > Input { width: 1fr; min-width: 10; }
    SettingsScreen .field > .origin { width: 44%; height: 1; padding: 0 0 0 1; color: $text-muted;
        text-wrap: nowrap; text-overflow: ellipsis; }
    SettingsScreen.-narrow .field > .origin { display: none; }
    SettingsScreen #about { height: auto; max-height: 4; padding: 0 1; background: $boost; }
    SettingsScreen #about.-error { text-style: bold; color: $text-error; }
    """
    AUTO_FOCUS = "Input, SettingChoice"

    def __init__(self, settings: Settings, origin: dict[str, str]) -> None:
        super().__init__()
        self._settings = settings
        self._origin = origin
        self._texts = {
            name: fields.as_typed(getattr(settings, name))
            for names in fields.groups().values()
            for name in names
        }

    def content(self) -> Iterator[Widget]:
        lines: list[Widget] = []
        for title, names in fields.groups().items():
            lines.append(Static(title, classes="group", markup=False))
            lines += map(self._line, names)
        # no VerticalScroll: that would take the arrows, which go from field to field
        yield Vertical(*lines, id="form")
        yield Static(id="about", markup=False)

    def _line(self, name: str) -> Widget:
        values = self._choices(name)
        text = self._texts[name]
        field = SettingChoice(values, text, id=name) if values else Input(text, id=name, compact=True)
        return Horizontal(
            Static(fields.label(name), classes="label", markup=False),
            field,
            Static(self._origin.get(name, ""), classes="origin", markup=False),
            classes="field",
        )

    def _choices(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(self.app.available_themes)) if name == "theme" else fields.choices(name)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._set(event.input.id or "", event.value)

    @on(SettingChoice.Changed)
    def _chosen(self, event: SettingChoice.Changed) -> None:
        self._set(event.choice.id or "", event.choice.value)

    def _set(self, name: str, text: str) -> None:
        self._texts[name] = text
        self._explain(name)
        count = len(self._changed())
        self.entitle(f"{count} changed" if count else "")

    def _changed(self) -> list[str]:
        """The fields whose text is another one, right or wrong."""
        return [name for name, text in self._texts.items() if text.strip() != self._before(name)]

    def _before(self, name: str) -> str:
        return fields.as_typed(getattr(self._settings, name))

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        if event.widget.id in self._texts:
            self._explain(event.widget.id)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_save()

    def _explain(self, name: str) -> None:
        """Say of a field what is wrong with it; else what it takes and where its value came from."""
        about = self.query_one("#about", Static)
        problem = self._problem(name)
        about.set_class(bool(problem), "-error")
        if problem:
            about.update(problem)
            return
        takes = Settings.model_fields[name].description
        origin = self._origin.get(name, "")
        came = fields.overridden(origin) or (f"Now from: {origin}." if origin else "")
        about.update(f"{name}: {takes}. {came}")

    def _problem(self, name: str) -> str:
        try:
            fields.value_of(name, self._texts[name])
        except PlocalError as error:
            return error.message
        return ""

    def action_back(self) -> None:
        changed = self._changed()
        if changed:
            self._leave(changed)
        else:
            self.dismiss(None)

    @work
    async def _leave(self, changed: list[str]) -> None:
        """Ask what becomes of the changes."""
        names = ", ".join(changed[:3]) + (", …" if changed[3:] else "")
        answer = await self.app.push_screen_wait(Unsaved(f"Keep the changes of {names}?"))
        if answer == "save":
            self.action_save()
        elif answer == "discard":
            self.dismiss(None)

    def action_save(self) -> None:
        wrong = next((name for name in self._texts if self._problem(name)), None)
        if wrong is not None:
            self.query_one(f"#{wrong}").focus()
            self._explain(wrong)
            return
        self.dismiss(fields.changed(self._settings, self._texts) or None)

    def action_restore(self) -> None:
        self._put(self._settings)

    def action_built_in(self) -> None:
        self._put(Settings())

    def _put(self, source: Settings) -> None:
        field = self.focused
        if isinstance(field, Input | SettingChoice) and field.id in self._texts:
            field.value = fields.as_typed(getattr(source, field.id))
            self._set(field.id, field.value)
