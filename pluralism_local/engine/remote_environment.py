"""Variables of the environment that decide how a server is reached: proxies, certificates, the log of TLS keys.

    environ ──faults──> Fault(variable, problem, hint)…        nothing is opened but the files that are named

Without this a wrong one shows as an error of some library that names neither the variable nor the way out.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
_SCHEMES = ("http", "https", "socks5", "socks5h")
_UNSET = "Correct it, or unset it."


@dataclass(frozen=True, slots=True)
class Fault:
    """A variable that cannot be used: what is wrong with it, as the end of a sentence, and what to do."""

    variable: str
    problem: str
    hint: str

    @property
    def sentence(self) -> str:
        """All but the hint."""
        return f"The variable {self.variable} {self.problem}."


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables in force that name a proxy; of two that differ in case, the lower one counts."""
    named = {}
    for name in PROXIES:
        variable = next(
            (spelled for spelled in (name.lower(), name) if environ.get(spelled, "").strip()), None
        )
        if variable:
            named[variable] = environ[variable].strip()
    return named


def goes_direct(host: str, environ: Mapping[str, str]) -> bool:
    """Whether NO_PROXY leaves this host out: by its name, by a name that it belongs to, or with ``*``."""
    excepted = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    names = [name.strip().lower().lstrip("*.") or "*" for name in excepted.split(",") if name.strip()]
    return any(name in ("*", host) or host.endswith(f".{name}") for name in names)


def proxy_faults(environ: Mapping[str, str]) -> Iterator[Fault]:
    """What is wrong with the variables that name a proxy."""
    for variable, value in proxies(environ).items():
        address = value if "://" in value else f"http://{value}"
        try:
            parts = urlsplit(address)
            usable = bool(parts.hostname) and (parts.port is None or parts.port > 0) and address.isprintable()
        except ValueError:
            usable = False
        if not usable or " " in address:
            yield Fault(
                variable, "names no proxy that can be used", "Write it as http://host:port, or unset it."
            )
        elif parts.scheme.lower() not in _SCHEMES:
            problem = f"names a proxy of the kind '{parts.scheme[:20]}', which cannot be used"
            yield Fault(variable, problem, "Write it as http://host:port or socks5://host:port, or unset it.")
        elif parts.scheme.lower().startswith("socks") and find_spec("socksio") is None:
            yield Fault(
                variable,
                "names a SOCKS proxy, and what speaks to one is not installed",
                "Install it (pip install 'pluralism-local[socks]'), unset the variable, or set NO_PROXY.",
            )


def certificate_faults(environ: Mapping[str, str]) -> Iterator[Fault]:
    """What is wrong with the variables that an encrypted connection reads."""
    if file := environ.get("SSL_CERT_FILE"):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
        except ssl.SSLError:
            yield Fault("SSL_CERT_FILE", f"names '{file}', which has no certificates", _UNSET)
        except (OSError, ValueError) as error:
            yield Fault("SSL_CERT_FILE", f"names '{file}', which cannot be read ({_reason(error)})", _UNSET)
    if (folder := environ.get("SSL_CERT_DIR")) and not file and not _is_folder(folder):
        yield Fault("SSL_CERT_DIR", f"names '{folder}', which is no folder", _UNSET)
    if (log := environ.get("SSLKEYLOGFILE")) and not _takes_a_file(log):
        yield Fault("SSLKEYLOGFILE", f"names '{log}', which cannot be written", _UNSET)


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _takes_a_file(path: str) -> bool:
    """Whether a file can be written there, without making it."""
    try:
        where = Path(path)
        if where.exists():
            return not where.is_dir() and os.access(where, os.W_OK)
        return where.parent.is_dir() and os.access(where.parent, os.W_OK)
    except (OSError, ValueError):
        return False


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
