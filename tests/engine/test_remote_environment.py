"""Variables that decide how a server is reached: what is wrong with them is told by their names."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.engine import remote_environment
from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.engine.remote_environment import certificate_faults, goes_direct, proxies, proxy_faults
from pluralism_local.errors import InvalidInput, RemoteFailure
from tests.support.remote_server import HELLO, Server, only_answer, say

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
ELSEWHERE = "http://192.0.2.1:9/v1"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*remote_environment.PROXIES, *CERTIFICATES, "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


WRONG_PROXIES = [
    ("ALL_PROXY", "ftp://127.0.0.1:1", "kind 'ftp'"),
    ("all_proxy", "socks4://127.0.0.1:1", "kind 'socks4'"),
    ("HTTP_PROXY", "http://", "no proxy"),
    ("http_proxy", "http://127.0.0.1:99999", "no proxy"),
    ("HTTPS_PROXY", "http://:::1", "no proxy"),
    ("https_proxy", "http://[::1", "no proxy"),
    ("ALL_PROXY", "a proxy", "no proxy"),
    ("ALL_PROXY", "http://user:hush@", "no proxy"),
]


@pytest.mark.parametrize(("variable", "value", "problem"), WRONG_PROXIES)
def test_a_proxy_that_cannot_be_used_is_named(
    variable: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInput, match=f"variable {variable} .*{problem}") as caught:
        list(RemoteEngine(ELSEWHERE, "m").generate([say("Hi")]))
    assert "unset" in caught.value.hint
    assert "hush" not in caught.value.message


def test_a_socks_proxy_without_what_speaks_to_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setattr(remote_environment, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="ALL_PROXY") as caught:
        list(RemoteEngine(ELSEWHERE, "m").generate([say("Hi")]))
    assert "pluralism-local[socks]" in caught.value.hint
    monkeypatch.setattr(remote_environment, "find_spec", lambda name: name)
    assert list(proxy_faults({"ALL_PROXY": "socks5h://127.0.0.1:1"})) == []


@pytest.mark.parametrize(
    "value", ["http://127.0.0.1:3128", "127.0.0.1:3128", "https://u:p@proxy.example", "HTTP://proxy"]
)
def test_usual_proxies_are_no_fault(value: str) -> None:
    assert list(proxy_faults({"HTTP_PROXY": value, "https_proxy": value, "ALL_PROXY": ""})) == []


def test_a_wrong_proxy_is_no_matter_where_none_is_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "ftp://127.0.0.1:1")
    assert only_answer(server.engine(HELLO).generate([say("Hi")])).text == "Hello"
    monkeypatch.setenv("NO_PROXY", "example.org, server.invalid")
    with pytest.raises(RemoteFailure, match=r"server\.invalid"):
        list(RemoteEngine("http://server.invalid/v1", "m").generate([say("Hi")]))


@pytest.mark.parametrize(
    ("excepted", "direct"),
    [
        ("*", True),
        ("api.example.org", True),
        (".example.org", True),
        ("*.example.org", True),
        ("ample.org", False),
        ("", False),
        (" , ", False),
    ],
)
def test_who_is_left_out_of_the_proxies(excepted: str, direct: bool) -> None:
    assert goes_direct("api.example.org", {"NO_PROXY": excepted}) is direct


def test_the_lower_case_counts_first() -> None:
    assert proxies({"HTTP_PROXY": "http://a", "http_proxy": "http://b"}) == {"http_proxy": "http://b"}


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    with pytest.raises(RemoteFailure, match="HTTP_PROXY") as caught:
        list(RemoteEngine(ELSEWHERE, "m").generate([say("Hi")]))
    assert "NO_PROXY" in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("SSL_CERT_FILE", "gone"),
        ("SSL_CERT_FILE", "."),
        ("SSL_CERT_FILE", "text"),
        ("SSL_CERT_DIR", "gone"),
        ("SSLKEYLOGFILE", "gone/x"),
        ("SSLKEYLOGFILE", "."),
    ],
)
def test_certificates_that_cannot_be_read_are_named_and_only_where_they_are_needed(
    variable: str, name: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_text("no certificate")
    monkeypatch.setenv(variable, str(tmp_path / name))
    assert only_answer(server.engine(HELLO).generate([say("Hi")])).text == "Hello"
    with pytest.raises(InvalidInput, match=f"variable {variable} names"):
        list(RemoteEngine("https://192.0.2.1:9/v1", "m").generate([say("Hi")]))


def test_what_can_be_used_is_no_fault_and_nothing_is_written(tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    assert list(certificate_faults({"SSL_CERT_DIR": str(tmp_path), "SSLKEYLOGFILE": str(log)})) == []
    assert not log.exists()
