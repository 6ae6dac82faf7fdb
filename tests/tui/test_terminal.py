"""What the application draws on, when it is no longer there."""

from __future__ import annotations

import io
import threading

import pytest
from textual.driver import Driver
from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread

from pluralism_local.tui.terminal import Forgiving, _forgiving_write, forgiving


class Unplugged(io.StringIO):
    """A terminal that takes so many writes and then is gone."""

    def __init__(self, takes: int) -> None:
        super().__init__()
        self.left = takes
        self.tried = 0

    def write(self, text: str) -> int:
        self.tried += 1
        if self.left == 0:
            raise OSError(5, "Input/output error")
        self.left -= 1
        return super().write(text)


def test_what_is_written_arrives_while_the_terminal_is_there() -> None:
    file = io.StringIO()
    forgiven = Forgiving(file)
    assert forgiven.write("täxt") == 4
    forgiven.flush()
    assert (file.getvalue(), forgiven.gone) == ("täxt", False)


def test_a_terminal_that_is_gone_is_tried_once() -> None:
    file = Unplugged(takes=1)
    forgiven = Forgiving(file)
    assert [forgiven.write(text) for text in ("one", "three", "five")] == [3, 5, 4]
    forgiven.flush()
    assert (file.getvalue(), file.tried, forgiven.gone) == ("one", 2, True)


def test_a_flush_that_fails_ends_nothing() -> None:
    class Broken(io.StringIO):
        def flush(self) -> None:
            raise OSError(5, "Input/output error")

    forgiven = Forgiving(Broken())
    forgiven.flush()
    assert forgiven.gone


def test_a_closed_file_counts_as_gone() -> None:
    file = io.StringIO()
    file.close()
    assert Forgiving(file).write("text") == 4


def test_everything_else_is_the_files_own() -> None:
    with pytest.raises(io.UnsupportedOperation):
        Forgiving(io.StringIO()).fileno()


def test_the_toolkits_writer_goes_on_taking_text() -> None:
    """Without it the writer thread ends, and the write after the queue is full waits for ever."""
    writer = WriterThread(Forgiving(Unplugged(takes=3)))  # type: ignore[arg-type]
    writer.start()

    def draw() -> None:
        for number in range(3 * MAX_QUEUED_WRITES):
            writer.write(str(number))
        writer.stop()

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()
    drawing.join(30)
    assert not drawing.is_alive()


def test_a_driver_without_a_file_is_as_it_was() -> None:
    class Plain(Driver):
        def __init__(self, name: str) -> None:
            self.name = name

        def write(self, data: str) -> None: ...

        def start_application_mode(self) -> None: ...

        def disable_input(self) -> None: ...

        def stop_application_mode(self) -> None: ...

    driver = forgiving(Plain)("plain")  # type: ignore[arg-type]
    assert isinstance(driver, Plain)
    assert not hasattr(driver, "_file")


def test_a_pipe_gets_all_of_it_until_its_reader_has_gone() -> None:
    taken = list[bytes]()

    def write(text: bytes) -> int:
        if len(taken) == 3:
            raise BrokenPipeError
        taken.append(text[:4])
        return len(taken[-1])

    forgiven = _forgiving_write(write)
    assert forgiven(b"12345678") == 8
    assert forgiven(b"abcdefgh") == 8
    assert forgiven(b"dropped") == 7
    assert taken == [b"1234", b"5678", b"abcd"]
