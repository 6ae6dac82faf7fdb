"""From `--scorer` to an NLI scorer.

"adapter"               the NLI adapter that comes with the package, on the starter model
a folder or a Hub id    a sequence classifier of transformers that is on this machine; nothing is downloaded
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local import wiring
from pluralism_local.evaluation.scorer_names import ADAPTER
from pluralism_local.model_names import STARTER

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.evaluation.nli import NliScorer

ScorerName = Annotated[
    str,
    typer.Option(
        "--scorer",
        metavar="NAME",
        envvar="PLOCAL_SCORER",
        show_default=False,
        help="What judges entailment: 'adapter' (comes with the package, runs on the starter model), or a folder, or a "
        "Hub id in its cache, of a sequence classifier of transformers. Default: adapter.",
    ),
]


@contextmanager
def open_scorer(name: str, settings: Settings, status: Callable[[str], None]) -> Iterator[NliScorer]:
    """The scorer of this name; its model is closed afterwards.

    Raises: NotFound, Refused, Unsupported, InvalidInput as the scorers do.
    """
    if name == ADAPTER:
        from pluralism_local.evaluation.nli import AdapterNli, find_shipped

        with wiring.open_engine(STARTER, settings, status) as engine:
            yield AdapterNli(engine, find_shipped(engine.info).adapter)
        return
    from pluralism_local.evaluation.nli import ClassifierNli

    status(f"loading {name} …")
    yield ClassifierNli(name)
