"""What transformers loads, from a folder or the Hub's cache: without network, without chatter, its errors as ours.

torch_for(reference, thing) ──> torch      with loading(reference, thing): AutoModel….from_pretrained(…)
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput, NotFound, Unsupported
from pluralism_local.hub.cache import hub_silent

_HUB_ID = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?", re.ASCII)


def torch_for(reference: str, thing: str, instead: str) -> Any:
    """PyTorch, which `thing` needs beside transformers; `instead` says what does without, for the hint.

    A folder that is not there is told of first: nobody installs gigabytes for a name that is misspelled.

    Args:
        reference: a folder that transformers saved, or a Hub id in the Hub's cache.

    Raises:
        NotFound: `reference` is the name of a folder, and there is none. Unsupported: PyTorch or transformers is
            not installed.
    """
    if not Path(reference).is_dir() and not _HUB_ID.fullmatch(reference):
        raise NotFound(
            f"There is no folder {reference}.", "Give a folder that transformers saved, or a Hub id."
        )
    try:
        import torch
        import transformers  # noqa: F401 - only whether it is here
    except ImportError as error:
        raise Unsupported(
            f"{thing} needs {error.name or 'PyTorch'}, which is not installed.",
            f'Get it with: pip install "pluralism-local[train]", or use {instead}.',
        ) from error
    return torch


@contextmanager
def loading(reference: str, kind: str, name: str) -> Iterator[None]:
    """transformers' errors as ours, while it loads from this machine.

    Args:
        reference: what `torch_for` was given.
        kind: what is loaded, in a word (``"classifier"``); `name`: in full (``"a sequence classifier"``).

    Raises:
        NotFound: nothing that can be loaded is there. InvalidInput: a family that transformers does not know.
    """
    from transformers.utils import logging as chatter

    hub = logging.getLogger("huggingface_hub")  # it tells of every attempt to reach the Hub
    verbosity, bar, level = chatter.get_verbosity(), chatter.is_progress_bar_enabled(), hub.level
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    hub.setLevel(logging.ERROR)
    try:
        folder = Path(reference)
        if folder.is_dir() and not (folder / "config.json").is_file():
            raise FileNotFoundError("it holds no config.json.")
        with hub_silent():
            yield
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, OSError) and not folder.is_dir():
            raise NotFound(
                f"There is no folder {reference}, and no {kind} of this name in the Hub's cache.",
                f"Correct the name, or get it with: hf download {reference}",
            ) from error
        if isinstance(error, OSError):
            raise NotFound(
                f"The {kind} {reference} cannot be loaded: {reason}",
                "Give a folder that transformers saved.",
            ) from error
        raise InvalidInput(
            f"transformers cannot load {reference} as {name}: {reason}",
            "Take a model of a family that this version of transformers knows.",
        ) from error
    finally:
        hub.setLevel(level)
        chatter.set_verbosity(verbosity)
        if bar:
            chatter.enable_progress_bar()
