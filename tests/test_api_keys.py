"""Keys of servers: where they are kept, which is sent, and that each goes to its own server alone."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pluralism_local import api_keys
from pluralism_local.api_keys import NO_KEY, ApiKeys, key_for, origin_of
from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.remote_url import parse_spec
from pluralism_local.settings import Remote

SECRET = "sk-0123456789abcdef"
WHERE = parse_spec("https://llm.example.org/v1")


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApiKeys:
    monkeypatch.setattr(api_keys, "real_keyring", lambda: None)
    return ApiKeys(tmp_path / "data")


def remote(**fields: Any) -> Remote:
    return Remote(base_url="https://llm.example.org/v1", **fields)


def test_a_key_belongs_to_scheme_host_and_port(keys: ApiKeys) -> None:
    assert origin_of(WHERE) == "https://llm.example.org"
    assert keys.put(origin_of(WHERE), f" {SECRET}\n") is False
    assert keys.get("https://llm.example.org") == SECRET
    for other in ("http://llm.example.org/v1", "https://llm.example.org:8443/v1", "https://example.org/v1"):
        assert key_for(parse_spec(other), None, keys, environ={}).secret == ""
    assert key_for(parse_spec("https://llm.example.org/other"), None, keys, environ={}).secret == SECRET


def test_the_file_is_the_users_alone_also_where_it_was_not(keys: ApiKeys) -> None:
    keys.put("https://a.example.org", SECRET)
    assert stat.S_IMODE(keys.file.stat().st_mode) == 0o600
    keys.file.chmod(0o644)
    keys.put("https://b.example.org", SECRET)
    assert stat.S_IMODE(keys.file.stat().st_mode) == 0o600
    assert set(keys.places()) == {"https://a.example.org", "https://b.example.org"}
    keys.remove("https://a.example.org")
    assert keys.get("https://a.example.org") is None
    with pytest.raises(NotFound):
        keys.remove("https://a.example.org")


@pytest.mark.parametrize("key", ["", "  ", "ключ", "a\x00b"])
def test_what_is_no_key_is_not_kept(keys: ApiKeys, key: str) -> None:
    with pytest.raises(InvalidInput):
        keys.put("https://a.example.org", key)
    assert not keys.file.exists()


def test_of_all_keys_the_servers_own_is_sent_first(keys: ApiKeys) -> None:
    environ = {"MINE": "from-variable", "PLOCAL_REMOTE_KEY": "general"}
    command = f"{sys.executable} -c 'print(\"from-command\")'"
    assert key_for(WHERE, None, keys, environ=environ).secret == "general"
    assert key_for(WHERE, None, keys, environ=environ, general=False).secret == ""
    keys.put(origin_of(WHERE), SECRET)
    assert key_for(WHERE, None, keys, environ=environ).secret == SECRET
    assert key_for(WHERE, remote(api_key_cmd=command), keys, environ=environ).secret == "from-command"
    both = remote(api_key_env="MINE", api_key_cmd=command)
    assert key_for(WHERE, both, keys, environ=environ).secret == "from-variable"
    assert key_for(WHERE, both, keys, environ={}).secret == "from-command"


def test_a_key_says_where_to_mend_it_and_does_not_show_itself(keys: ApiKeys) -> None:
    environ = {"MINE": SECRET, "PLOCAL_REMOTE_KEY": SECRET}
    command = f"{sys.executable} -c 'print(\"{SECRET}\")'"
    keys.put("https://own.example.org", SECRET)
    for where, named, place in (
        (WHERE, remote(api_key_env="MINE"), "Set MINE"),
        (WHERE, remote(api_key_cmd=command), "api_key_cmd of the remote 'office'"),
        (parse_spec("https://own.example.org/v1"), None, "plocal keys set https://own.example.org"),
        (WHERE, None, "Set PLOCAL_REMOTE_KEY"),
    ):
        key = key_for(where, named, keys, name="office", environ=environ)
        assert (key.secret, place in key.renewal) == (SECRET, True)
        assert SECRET not in repr(key)
        with pytest.raises(InvalidInput) as refusal:
            RemoteEngine(where.address, "m", api_key=replace(key, secret="sk-ü"))
        assert refusal.value.hint == key.renewal
    assert key_for(WHERE, None, keys, environ={}) == NO_KEY


def test_a_key_that_cannot_be_had_is_said_and_no_other_is_sent_instead(keys: ApiKeys, tmp_path: Path) -> None:
    keys.put(origin_of(WHERE), SECRET)
    failing = tmp_path / "fails"
    failing.write_text(f"#!/bin/sh\necho {SECRET}\nexit 3\n")
    failing.chmod(0o755)
    for fields, part in (
        ({"api_key_env": "NOWHERE"}, "NOWHERE"),
        ({"api_key_cmd": str(failing)}, "failed with exit code 3"),
        ({"api_key_cmd": "no-such-command-anywhere"}, "FileNotFoundError"),
        ({"api_key_cmd": "true"}, "prints nothing"),
        ({"api_key_cmd": "'"}, "ValueError"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            key_for(WHERE, remote(**fields), keys, name="office", environ={})
        assert part in refusal.value.message
        assert SECRET not in f"{refusal.value} {refusal.value.hint}"


@pytest.mark.parametrize("content", ["{", "[]", '{"https://a.example.org": 1, "k": "sk-0123456789abcdef"}'])
def test_a_file_that_cannot_be_read_is_left_as_it_is(keys: ApiKeys, content: str) -> None:
    keys.file.parent.mkdir()
    keys.file.write_text(content)
    for use in (
        lambda: keys.put("https://b.example.org", SECRET),
        lambda: keys.remove("https://a.example.org"),
        lambda: key_for(WHERE, None, keys, environ={"PLOCAL_REMOTE_KEY": "general"}),
        keys.places,
    ):
        with pytest.raises(InvalidInput, match="no list of keys") as refusal:
            use()
        assert SECRET not in repr(refusal.value.__cause__)
    assert keys.file.read_text() == content


def test_a_key_in_a_keyring_that_is_gone_is_replaced_by_no_other(keys: ApiKeys) -> None:
    keys.put(origin_of(WHERE), SECRET)
    keys.file.write_text(json.dumps({origin_of(WHERE): api_keys.IN_KEYRING}))
    with pytest.raises(InvalidInput, match="keyring"):
        key_for(WHERE, None, keys, environ={"PLOCAL_REMOTE_KEY": "general"})
    keys.remove(origin_of(WHERE))
    assert key_for(WHERE, None, keys, environ={"PLOCAL_REMOTE_KEY": "general"}).secret == "general"


class Ring(ModuleType):
    """A keyring in memory, of the strength that its back end says."""

    def __init__(self, priority: float) -> None:
        super().__init__("keyring")
        self.priority = priority
        self.kept: dict[tuple[str, str], str] = {}

    def get_keyring(self) -> Any:
        return self

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, key: str) -> None:
        self.kept[service, name] = key

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


@pytest.mark.parametrize(("priority", "used"), [(5.0, True), (0.5, False), (-1.0, False)])
def test_a_keyring_is_used_where_it_is_a_real_one(
    priority: float, used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Ring(priority)
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "keyring" or None)
    keys = ApiKeys(tmp_path)
    assert keys.put("https://a.example.org", SECRET) is used
    assert (SECRET in keys.file.read_text()) is not used
    assert keys.get("https://a.example.org") == SECRET
    assert keys.places() == {"https://a.example.org": "keyring" if used else str(keys.file)}
    keys.remove("https://a.example.org")
    assert ring.kept == {} and keys.get("https://a.example.org") is None
