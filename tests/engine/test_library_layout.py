"""A library with other structs is refused by name, before anything of it is used."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import llama_cpp
import pytest

from pluralism_local.engine.library_layout import unexpected


def declared() -> dict[str, object]:
    return {
        "model": llama_cpp.llama_model_default_params(),
        "context": llama_cpp.llama_context_default_params(),
        "quantization": llama_cpp.llama_model_quantize_default_params(),
    }


def test_the_installed_library_is_as_declared() -> None:
    assert unexpected(declared()) is None


@pytest.mark.parametrize(
    ("struct", "where"),
    [
        *(("model", where) for where in (0, 2, 6, 11)),
        *(("context", where) for where in (0, 1, 10, 20, 29)),
        *(("quantization", where) for where in (0, 4)),
    ],
)
def test_a_field_more_or_less_is_noticed(struct: str, where: int) -> None:
    """The same bytes read through declarations that begin some fields later, as after a change of the struct."""
    defaults = declared()
    ours = type(defaults[struct])
    fields = list(ours._fields_)  # type: ignore[attr-defined]
    moved = [*fields[:where], ("another", ctypes.c_uint64), *fields[where:]]
    theirs = type("Moved", (ctypes.Structure,), {"_fields_": moved})
    data = bytes(ctypes.string_at(ctypes.byref(defaults[struct]), ctypes.sizeof(ours)))  # type: ignore[arg-type]
    read = theirs.from_buffer_copy(data.ljust(ctypes.sizeof(theirs), b"\0"))  # type: ignore[attr-defined]
    told = unexpected({**defaults, struct: read})
    assert told is not None and struct in told


def test_a_field_that_is_gone_is_noticed() -> None:
    told = unexpected({**declared(), "context": SimpleNamespace(n_ctx=512)})
    assert told == "its context parameter n_batch reads None by default and not 2048"


def test_it_is_refused_in_one_sentence_and_nothing_is_loaded() -> None:
    code = (
        "import llama_cpp.llama_cpp as lib, llama_cpp\n"
        "real = llama_cpp.llama_context_default_params\n"
        "def other():\n    made = real(); made.n_batch = 7; return made\n"
        "llama_cpp.llama_context_default_params = other\n"
        "from pluralism_local.cli.main import main\n"
        "raise SystemExit(main(['ask', '-n', '--mode', 'vanilla', 'Is tipping fair?']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert done.returncode == 1, done.stderr
    assert "n_batch reads 7 by default and not 2048" in done.stderr
    assert "--force-reinstall" in done.stderr and "Traceback" not in done.stderr
