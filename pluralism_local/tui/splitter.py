"""The line between the answers and the side pane: dragged with the mouse, it shares the room out anew.

mouse down, move, up ──> Moved(screen x)
"""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widget import Widget


class Splitter(Widget):
    """One column, as high as what it lies between."""

    DEFAULT_CSS = """
    Splitter { width: 1; height: 1fr; color: $panel; }
    Splitter:hover, Splitter.-dragged { color: $accent; }
    """

    class Moved(Message):
        """It was dragged to column `x` of the screen."""

        def __init__(self, x: int) -> None:
            super().__init__()
            self.x = x

    def render(self) -> str:
        return "\n".join("│" for _ in range(self.size.height))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        self.capture_mouse()
        self.add_class("-dragged")

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self.has_class("-dragged"):
            event.stop()
            self.post_message(self.Moved(round(event.screen_x)))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        event.stop()
        self.release_mouse()
        self.remove_class("-dragged")
