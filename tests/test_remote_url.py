"""One reading of a remote model's address: what is checked is what is connected to, and nothing secret is repeated."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import httpx2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pluralism_local.config import Settings
from pluralism_local.errors import InvalidInput
from pluralism_local.remote_url import RemoteUrl, is_loopback, parse_spec, without_credentials
from pluralism_local.wiring import open_engine

PIECES = st.sampled_from(
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "192.0.2.7",
            "localhost",
            "LOCALHOST",
            "example.org",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ),
        *(
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "localhost.",
            "127.evil.example",
            "::1",
        ),
        *(
            "１２７.0.0.1",
            "ⓛocalhost",
            "xn--a",
            "[::1%25lo]",
            "%31",
            "127。0。0。1",
            "[",
            "]",
            "..",
            "-",
            "_",
        ),
        *("@", ":", "/", "//", "#", "?", "\\", " ", "\t", "\n", "\0", "%40", "%2F", "%5c", ";", "&", "|"),
        *(
            "http://",
            "https://",
            "HTTP://",
            "ftp://",
            "remote:",
            "80",
            ":8000",
            "99999",
            "v1",
            "x",
            "ann",
            "hush",
        ),
    ]
)
ADDRESSES = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=30)


@pytest.mark.parametrize(
    ("spec", "address", "model"),
    [
        ("remote:http://127.0.0.1:8000", "http://127.0.0.1:8000/v1", None),
        ("http://127.0.0.1:8000/#m", "http://127.0.0.1:8000/v1", "m"),
        ("https://Example.org/openai/v1/#a/b#c", "https://example.org/openai/v1", "a/b#c"),
        ("https://host/v1/chat/completions", "https://host/v1", None),
        ("http://[::1]:80/v1", "http://[::1]:80/v1", None),
        ("HTTP://[::FFFF:127.0.0.1]", "http://[::ffff:127.0.0.1]/v1", None),
        ("http://my_host-1:1/v1#@cf/m", "http://my_host-1:1/v1", "@cf/m"),
    ],
)
def test_an_address_is_read(spec: str, address: str, model: str | None) -> None:
    read = parse_spec(spec)
    assert (read.address, read.model, read.credentials) == (address, model, None)


def test_credentials_leave_the_address() -> None:
    read = parse_spec("remote:http://ann:p%40s%2Fs@host:1/v1#m")
    assert (read.address, read.credentials) == ("http://host:1/v1", ("ann", "p@s/s"))
    assert "ann" not in repr(read)
    assert parse_spec("http://ann:a@b@host").credentials == ("ann", "a@b")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:8000",
        "ftp://a:hush@host",
        "http://a:hush@",
        "http://a:hush@h:99999",
        "http://a:hush@h/?k=hush",
        "http://127.0.0.1/x@10.1.2.3/v1",
        "http://127.0.0.1\\@10.1.2.3/v1",
        "http://a:hu/sh@h/v1",
        "http://a:hush@１２７.0.0.1/v1",
        "http://127.0.0.1%2f@h%2e/v1",
        "http://0177.0.0.1/v1",
        "http://999.0.0.1/v1",
        "http://[::g]/v1",
        "http://[::1%25lo]/v1",
        "http://a..b/v1",
        f"http://{'a' * 64}/v1",
        f"http://{'a.' * 140}/v1",
        "http://h/a\0b",
        "http://h/" + "a" * 9000,
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_spec(url)
    assert "hush" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost", "127.0.0.1", "127.255.3.4", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"],
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.evil.example",
            "localhost.evil.example",
            "evil.localhost",
            "localhost.",
            "127.0.0.1.",
            "127.1",
            "0",
        ),
        *(
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "0.0.0.0",
            "::",
            "128.0.0.1",
            "",
        ),
        *(
            "１２７.０.０.１",
            "ⓛocalhost",
            "127。0。0。1",
            "%31%32%37.0.0.1",
            "::ffff:10.1.2.3",
            "::1%lo",
            "[::1]",
        ),
    ],
)
def test_whatever_is_not_certainly_this_machine_is_not(host: str) -> None:
    assert not is_loopback(host)


@given(ADDRESSES)
def test_the_client_connects_to_the_host_that_was_checked(spec: str) -> None:
    try:
        read = parse_spec(spec)
    except InvalidInput:
        return
    url = httpx2.URL(f"{read.address}/models")
    assert (url.host, url.userinfo, url.fragment, url.query) == (read.host, b"", "", b"")
    # whoever reads the whole text, credentials included, comes to the same host
    whole = httpx2.URL(spec.strip().removeprefix("remote:").partition("#")[0])
    assert (whole.host, whole.port) == (url.host, url.port)


@given(ADDRESSES.map("http://{}".format))
def test_a_host_held_to_be_this_machine_is_nowhere_else(url: str) -> None:
    try:
        read = parse_spec(url)
    except InvalidInput:
        return
    assume(read.loopback)
    assert read.host == "localhost" or _leads_here(read)


def _leads_here(read: RemoteUrl) -> bool:
    found = socket.getaddrinfo(read.host, 80, flags=socket.AI_NUMERICHOST)
    addresses = [ip_address(entry[4][0]) for entry in found]
    return all((getattr(one, "ipv4_mapped", None) or one).is_loopback for one in addresses)


@given(ADDRESSES)
def test_an_address_is_read_or_refused(spec: str) -> None:
    try:
        assert parse_spec(parse_spec(spec).address).loopback == parse_spec(spec).loopback
    except InvalidInput:
        assert without_credentials(without_credentials(spec)) == without_credentials(spec)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("remote:http://alice:PW@h/v1#m", "remote:http://h/v1#m"),
        ("remote:http://alice:P@W@h/v1#@m", "remote:http://h/v1#@m"),
        ("remote:http://alice@h", "remote:http://h"),
        ("remote:http://alice:P/W@h/v1#m", "remote:http://h/v1#m"),
        ("remote:http://alice:P#W@h/v1#m", "remote:http://h/v1#m"),
        ("remote:http://alice:P W@h", "remote:http://h"),
        ("remote:alice:PW@h", "remote:h"),
        ("remote:https://h/v1?key=PW", "remote:https://h/v1"),
        ("a=remote:http://alice:PW@h/v1#m,b=starter", "a=remote:http://h/v1#m,b=starter"),
        ("The server HTTPS://alice:PW@h fell silent.", "The server HTTPS://h fell silent."),
        ("remote:http://h/v1#@cf/m", "remote:http://h/v1#@cf/m"),
        ("hf:user/repo@main", "hf:user/repo@main"),
        ("write to ann@example.org", "write to ann@example.org"),
    ],
)
def test_a_name_is_shown_without_credentials(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.1.2.3", "http://127.0.0.1@10.1.2.3", "http://127.0.0.1/x@10.1.2.3/v1", "http://127.1"),
        *(
            "http://127.0.0.1\\@10.1.2.3",
            "http://localhost:80@10.1.2.3",
            "http://127.evil.example",
            "http://[::2]",
        ),
        *(
            "http://localhost.evil.example",
            "http://2130706433",
            "http://0x7f.1",
            "http://localhost.",
            "http://0.0.0.0",
        ),
    ],
)
def test_offline_opens_no_other_machine(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_engine(f"remote:{url}#m", Settings(offline=True), lambda _: None)


def test_offline_opens_this_machine() -> None:
    for url in (
        "http://127.0.0.1:1",
        "http://LOCALHOST",
        "http://[::1]:1",
        "http://127.8.0.1",
        "http://a:b@127.0.0.1",
    ):
        open_engine(f"remote:{url}#m", Settings(offline=True), lambda _: None).close()
