"""Ctrl-C, by the handler itself; `test_process` sends real signals."""

from __future__ import annotations

import io
import signal
import threading

from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output


def test_at_once_while_there_is_nothing_to_lose() -> None:
    left: list[bool] = []
    interrupt = Interrupt(lambda _: None, lambda: left.append(True))
    interrupt.handle(signal.SIGINT, None)
    assert left == [True]


def test_gracefully_first_then_at_once() -> None:
    left: list[bool] = []
    said: list[str] = []
    interrupt = Interrupt(said.append, lambda: left.append(True))
    interrupt.graceful = True
    assert not interrupt()
    interrupt.handle(signal.SIGINT, None)
    assert interrupt() and not left
    assert said == ["Stopping; Ctrl-C again quits at once."]
    interrupt.handle(signal.SIGINT, None)
    assert left == [True]


def test_the_handler_goes_back_to_what_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with catching(Output(io.StringIO(), io.StringIO())) as interrupt:
        assert signal.getsignal(signal.SIGINT) == interrupt.handle
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with catching(Output(io.StringIO(), io.StringIO())):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_can_ask_too() -> None:
    seen: list[bool] = []

    def work() -> None:
        with catching(Output(io.StringIO(), io.StringIO())) as interrupt:
            seen.append(interrupt())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
