"""Keys of servers, each for the one server that it was set for.

    plocal keys set ──ApiKeys.put──> the system's keyring, else DATA/keys.json (0600)
    RemoteUrl ──key_for──> ApiKey: of api_key_env │ api_key_cmd │ set for this server │ PLOCAL_REMOTE_KEY │ none

A key is kept under scheme, host and port (`origin_of`), so that a name which comes to stand for another server does not
take it along. No key is part of a message, of a record or of the config file.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.files import open_regular, write_atomic
from pluralism_local.locks import only_writer
from pluralism_local.remote_url import RemoteUrl

if TYPE_CHECKING:
    from pluralism_local.settings import Remote

STORE = "keys.json"
SERVICE = "plocal"
VARIABLE = "PLOCAL_REMOTE_KEY"
COMMAND_SECONDS = 60
IN_KEYRING = ""
"""What the file holds of a key that the keyring has."""

_ENTRIES = TypeAdapter(dict[str, str])
"""The file: by server its key, or `IN_KEYRING`."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key to be sent.

    Attributes:
        secret: the key itself, never shown; empty for none.
        renewal: what to do about one that the server refuses, a sentence; it names the place that the key is from.
    """

    secret: str = field(repr=False)
    renewal: str = ""


NO_KEY = ApiKey("")


def origin_of(where: RemoteUrl) -> str:
    """The server of an address: scheme, host and port, e.g. ``https://api.example.org``."""
    scheme, _, rest = where.address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The keys that this user set; nothing is read or written before it is asked for."""

    data_dir: Path

    @property
    def file(self) -> Path:
        """Where keys lie that no keyring has, and the list of all."""
        return self.data_dir / STORE

    def get(self, origin: str) -> str | None:
        """The key of a server; None if none was set.

        Raises:
            InvalidInput: the file, or the keyring that has the key, cannot be read, so that no other key goes instead.
        """
        key = self._read().get(origin)
        if key != IN_KEYRING:
            return key
        keyring = real_keyring()
        try:
            stored = keyring and keyring.get_password(SERVICE, origin)
        except Exception as error:  # its back ends raise what they like
            raise InvalidInput(
                f"The keyring does not give the key of {origin}: {type(error).__name__}.",
                "Unlock it, or set the key again.",
            ) from error
        if not isinstance(stored, str):
            raise InvalidInput(
                f"The key of {origin} was put into a keyring, and is in none that can be used here.",
                "Install the package keyring and unlock it, or set the key again.",
            )
        return stored

    def put(self, origin: str, key: str) -> bool:
        """Keep a key; whether in a keyring, and not in the file.

        Raises:
            InvalidInput: it is empty or has characters that no key has, or the file cannot be read or written.
        """
        key = key.strip()
        if not key or not (key.isascii() and key.isprintable()):
            raise InvalidInput("That is no API key.", "Paste the key alone, without quotes.")
        keyring = real_keyring()
        if keyring is not None:
            try:
                keyring.set_password(SERVICE, origin, key)
            except Exception:  # noqa: BLE001 - its back ends raise what they like; then there is the file
                keyring = None
        self._change(origin, key if keyring is None else IN_KEYRING)
        return keyring is not None

    def remove(self, origin: str) -> None:
        """Forget a key.

        Raises:
            NotFound: none was set. InvalidInput: the file cannot be read or written, or the keyring does not delete it.
        """
        held = self._read().get(origin)
        if held is None:
            raise NotFound(f"There is no key for {origin}.", "plocal keys ls shows for which there are.")
        keyring = real_keyring() if held == IN_KEYRING else None
        if keyring is not None:
            try:
                keyring.delete_password(SERVICE, origin)
            except Exception as error:
                raise InvalidInput(
                    f"The keyring does not delete the key of {origin}: {type(error).__name__}.", "Unlock it."
                ) from error
        self._change(origin, None)

    def places(self) -> dict[str, str]:
        """Where each server's key lies: ``"keyring"``, or the file.

        Raises:
            InvalidInput: the file cannot be read.
        """
        held = self._read().items()
        return {origin: "keyring" if key == IN_KEYRING else str(self.file) for origin, key in sorted(held)}

    def _read(self) -> dict[str, str]:
        """What the file holds; nothing without one. One that cannot be read is not written over as an empty one."""
        try:
            with open_regular(self.file) as file:
                return _ENTRIES.validate_json(file.read())
        except NotFound:
            return {}
        except (OSError, ValidationError):
            raise InvalidInput(
                f"{self.file} is no list of keys that can be read.", "Delete it, and set the keys again."
            ) from None  # pydantic's error quotes what it read

    def _change(self, origin: str, key: str | None) -> None:
        try:
            with only_writer(self.file):
                entries = self._read() | ({} if key is None else {origin: key})
                if key is None:
                    entries.pop(origin, None)
                if not self.file.exists():  # before there is anything to read in it
                    self.file.parent.mkdir(parents=True, exist_ok=True)
                    os.close(os.open(self.file, os.O_CREAT | os.O_WRONLY, 0o600))
                self.file.chmod(0o600)
                write_atomic(self.file, json.dumps(entries, indent=1) + "\n")
        except OSError as error:
            raise InvalidInput(
                f"{self.file} cannot be written: {error.strerror or error}.",
                f"Set PLOCAL_HOME to a folder that can be, or {VARIABLE} for one key.",
            ) from error


def real_keyring() -> Any | None:
    """The package `keyring`, if it is installed and has a back end that keeps secrets; else None."""
    if importlib.util.find_spec("keyring") is None:
        return None
    keyring: Any = importlib.import_module("keyring")
    try:
        backend = keyring.get_keyring()
        # below 1 are those that keep nothing, or keep it open
        return keyring if backend.priority >= 1 else None
    except Exception:  # noqa: BLE001 - a back end that cannot even be asked is none
        return None


def key_for(
    where: RemoteUrl,
    remote: Remote | None,
    keys: ApiKeys,
    *,
    name: str = "",
    general: bool = True,
    environ: Mapping[str, str] | None = None,
) -> ApiKey:
    """The key to send to a server.

    Args:
        remote: what the config says of the server; None for one that is named by its URL.
        name: of `remote`, for messages.
        general: whether PLOCAL_REMOTE_KEY may go there.

    Raises:
        InvalidInput: the variable that the config names is not set, its command fails, or as `ApiKeys.get`.
    """
    environ = os.environ if environ is None else environ
    if remote is not None and remote.api_key_env:
        if key := environ.get(remote.api_key_env, "").strip():
            return ApiKey(key, f"Set {remote.api_key_env} to a valid key.")
        if not remote.api_key_cmd:
            raise InvalidInput(
                f"The variable {remote.api_key_env}, which has the key of the remote '{name}', is not set.",
                "Set it, or take api_key_env out of the config file.",
            )
    if remote is not None and remote.api_key_cmd:
        renewal = f"Check what the api_key_cmd of the remote '{name}' prints."
        return ApiKey(_printed(remote.api_key_cmd, name), renewal)
    if own := keys.get(origin_of(where)):
        return ApiKey(own, f"Set it again: plocal keys set {origin_of(where)}")
    return general_key(environ) if general else NO_KEY


def general_key(environ: Mapping[str, str]) -> ApiKey:
    """That of PLOCAL_REMOTE_KEY."""
    secret = environ.get(VARIABLE, "").strip()
    own = "or give the server a key of its own with plocal keys set"
    return ApiKey(secret, f"Set {VARIABLE} to a valid key, {own}.") if secret else NO_KEY


def _printed(command: str, name: str) -> str:
    """The first line that a command prints; nothing of it goes into messages."""
    try:
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=COMMAND_SECONDS,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        how = f"({type(error).__name__})"
        if isinstance(error, subprocess.CalledProcessError):
            how = f"with exit code {error.returncode}"
        raise InvalidInput(
            f"The command for the key of the remote '{name}' failed {how}.",
            "Run api_key_cmd of the config file by hand.",
        ) from None
    key = done.stdout.decode("utf-8", "replace").strip().partition("\n")[0].strip()
    if not key:
        raise InvalidInput(
            f"The command for the key of the remote '{name}' prints nothing.", "Run it by hand."
        )
    return key
