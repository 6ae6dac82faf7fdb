"""Connections of clients who are slow, speak something else, or are too many."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from pluralism_local.serve import app, connection
from pluralism_local.serve import server as server_module
from tests.serve.test_api import Slow
from tests.support.api_server import Served, served

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
LISTED = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def hasty(village: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server that waits for little."""
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(app, "BODY_SECONDS", 0.3)
    with served() as running:
        yield running


def until_closed(door: socket.socket) -> bytes:
    received = b""
    while part := door.recv(65536):
        received += part
    return received


def dial(server: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


@pytest.mark.parametrize("part", [b"G", HEAD, HEAD + b"X-Slow: a"], ids=["a byte", "a head", "a field"])
@pytest.mark.parametrize("before", [b"", LISTED], ids=["first", "next"])
def test_a_header_that_does_not_come_in_is_answered_and_closed(
    hasty: Served, part: bytes, before: bytes
) -> None:
    with dial(hasty) as door:
        if before:  # of the same connection, and answered
            door.sendall(before)
            assert door.recv(65536).startswith(b"HTTP/1.1 200")
        door.sendall(part)
        head, _, content = until_closed(door)[-1000:].rpartition(b"\r\n\r\n")
    assert b"HTTP/1.1 408" in head and b"connection: close" in head
    error = json.loads(content)["error"]
    assert (error["code"], error["type"]) == ("incomplete", "invalid_request_error")


def test_a_header_that_trickles_in_gets_no_more_time_for_that(hasty: Served) -> None:
    with dial(hasty) as door:
        door.sendall(HEAD)
        door.settimeout(0.05)
        received = b""
        for _ in range(400):
            try:
                received += door.recv(65536)
                break
            except TimeoutError:
                door.sendall(b"X-More: a\r\n")
        assert received.startswith(b"HTTP/1.1 408")


def test_a_body_that_does_not_come_in_is_answered(hasty: Served) -> None:
    with dial(hasty) as door:
        door.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        received = until_closed(door)
    assert received.startswith(b"HTTP/1.1 408") and received.count(b"HTTP/1.1") == 1


def test_who_is_refused_and_sends_on_is_left(hasty: Served) -> None:
    with dial(hasty) as door:
        door.sendall(b"POST /v1/nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n")
        assert door.recv(65536).startswith(b"HTTP/1.1 404")
        door.settimeout(0.05)
        for _ in range(400):
            try:
                if not door.recv(65536):
                    return
            except TimeoutError:
                door.sendall(b".")
            except ConnectionError:
                return
    pytest.fail("the connection was kept")


def test_who_says_nothing_is_told_nothing(hasty: Served) -> None:
    with dial(hasty) as door:
        assert until_closed(door) == b""


def test_an_answer_may_take_longer_than_a_header(village: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.1)
    engine = Slow()
    with served(engine) as server, dial(server) as door, dial(server) as watch:
        body = json.dumps({"model": "vanilla", "messages": [{"role": "user", "content": "Fair?"}]}).encode()
        door.sendall(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        assert engine.began.wait(60)
        assert until_closed(watch) == b""  # opened later, and given up by now
        engine.go.set()
        assert until_closed(door).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("bytes_", [b"\x16\x03\x01\x02\x00", b"hello\r\n\r\n", b"GET / HTTP/9\r\n\r\n"])
def test_what_is_no_http_is_refused_in_the_protocols_shape(hasty: Served, bytes_: bytes) -> None:
    with dial(hasty) as door:
        door.sendall(bytes_)
        head, _, content = until_closed(door).partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.1 408"))  # a beginning of TLS might go on
    assert json.loads(content)["error"]["message"].endswith(".")


def test_of_too_many_connections_the_last_is_told_so_and_the_others_served(
    village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "SPARE_CONNECTIONS", 1)
    with served(limits=app.ServerLimits(waiting=1)) as server:
        kept = [HTTPConnection("127.0.0.1", server.port, timeout=60) for _ in range(2)]
        for _ in range(2):
            for door in kept:
                door.request("GET", "/v1/models")
                assert json.load(door.getresponse())["data"]
            refused = server.request("GET", "/v1/models")
            assert (refused.status, refused.json()["error"]["code"]) == (503, "full")
            assert (refused.headers["retry-after"], refused.headers["connection"]) == ("5", "close")
        for door in kept:
            door.close()
        while server.request("GET", "/v1/models").status != 200:
            pass
