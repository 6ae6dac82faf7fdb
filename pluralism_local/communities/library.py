"""All communities and pools that are here, found in several folders.

    folders ──Library──> community(id) | pool(id or path)          raises what makes it unusable
                    └──> communities(), pools(), problems()        lists; a broken card hides no good one

A folder holds one folder per card and `pools/*.yaml`. Later folders override earlier ones by id, and
`overridden` says so. Nothing is read before it is asked for, and each card only once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pluralism_local.communities.cards import CARD_FILE, Community, load_community
from pluralism_local.communities.pools import Pool, load_pool
from pluralism_local.errors import NotFound, PlocalError, did_you_mean

POOLS = "pools"
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Problem:
    """A card or pool file, or a folder of them, that cannot be used, and why."""

    path: Path
    error: PlocalError


@dataclass(frozen=True)
class Override:
    """A card or pool of the same id in two folders: `used` hides `hidden`."""

    id: str
    used: Path
    hidden: Path

    def __str__(self) -> str:
        return f"'{self.id}' is taken from {self.used}; the one in {self.hidden} is hidden."


def shipped_path() -> Path | None:
    """The folder of the communities that come with the package; None if they were left out.

    In a wheel they lie inside the package, in a checkout beside it.
    """
    package = Path(__file__).parents[1]
    candidates = (package / "adapters", package.parent / "adapters")
    return next((path for path in candidates if (path / POOLS).is_dir()), None)


def own_folder(data_dir: Path) -> Path:
    """Where the user's own communities are; `data_dir` of `config.paths()`."""
    return data_dir / "communities"


def default_paths(data_dir: Path, community_paths: Sequence[Path] = ()) -> list[Path]:
    """Where communities are looked for, later ones overriding: shipped, the user's own, configured.

    Args:
        data_dir: of `config.paths()`; the `own_folder` in it need not exist.
        community_paths: of the settings; they are kept even if they do not exist, to be reported.
    """
    own = own_folder(data_dir)
    shipped = shipped_path()
    return [path for path in (shipped, own if own.is_dir() else None) if path is not None] + [
        path.expanduser() for path in community_paths
    ]


class Library:
    """The communities and pools in some folders; later folders override earlier ones; `cache` as `load_community`."""

    def __init__(self, paths: Sequence[Path], cache: Path | None = None) -> None:
        self.paths = tuple(paths)
        self._cache = cache
        self._loaded: dict[str, Community] = {}

    def community(self, id: str) -> Community:
        """The community of this id.

        Raises:
            NotFound: there is none; the nearest id is suggested.
            InvalidInput, Refused: its card or adapter cannot be used; see `load_community`.
        """
        if id not in self._loaded:
            if id not in self._cards:
                raise NotFound(f"There is no community '{id}'.", self._suggest(id, self._cards))
            self._loaded[id] = load_community(self._cards[id], self._cache)
        return self._loaded[id]

    def pool(self, name: str | Path) -> Pool:
        """The pool of this id, or in this file if `name` looks like a path.

        Raises:
            NotFound: no such pool or file, or one of its cards is not here.
            InvalidInput, Refused: the pool or one of its cards cannot be used.
        """
        text = os.fspath(name)
        if os.sep in text or text.endswith(SUFFIXES):
            return load_pool(Path(text).expanduser(), self.community)
        if text not in self._pools:
            raise NotFound(f"There is no pool '{text}'.", self._suggest(text, self._pools))
        return load_pool(self._pools[text], self.community)

    def communities(self) -> list[Community]:
        """Every community that can be used, by id."""
        return self._all_communities[0]

    def pools(self) -> list[Pool]:
        """Every pool that can be used, by id."""
        return self._all_pools[0]

    def problems(self) -> list[Problem]:
        """Cards, pools and folders that cannot be used; empty when all is well."""
        return [*self._missing_folders, *self._all_communities[1], *self._all_pools[1]]

    def overridden(self) -> list[Override]:
        """Cards and pools hidden by another of the same id in a later folder."""
        overrides = []
        for per_folder in (self._card_folders, self._pool_files):
            used: dict[str, Path] = {}
            for here in per_folder:
                overrides += [Override(id, path, used[id]) for id, path in here.items() if id in used]
                used |= here
        return overrides

    @cached_property
    def _card_folders(self) -> list[dict[str, Path]]:
        return [
            {file.parent.name: file.parent for file in sorted(path.glob(f"*/{CARD_FILE}"))}
            for path in self.paths
        ]

    @cached_property
    def _pool_files(self) -> list[dict[str, Path]]:
        return [
            {file.stem: file for file in sorted((path / POOLS).glob("*")) if file.suffix in SUFFIXES}
            for path in self.paths
        ]

    @cached_property
    def _cards(self) -> dict[str, Path]:
        return {id: folder for here in self._card_folders for id, folder in here.items()}

    @cached_property
    def _pools(self) -> dict[str, Path]:
        return {id: file for here in self._pool_files for id, file in here.items()}

    @cached_property
    def _missing_folders(self) -> list[Problem]:
        hint = "Correct 'community_paths' in the configuration."
        return [
            Problem(path, NotFound(f"The community folder {path} does not exist.", hint))
            for path in self.paths
            if not path.is_dir()
        ]

    @cached_property
    def _all_communities(self) -> tuple[list[Community], list[Problem]]:
        good, broken = [], []
        for id, folder in sorted(self._cards.items()):
            try:
                good.append(self.community(id))
            except PlocalError as error:
                broken.append(Problem(folder / CARD_FILE, error))
        return good, broken

    @cached_property
    def _all_pools(self) -> tuple[list[Pool], list[Problem]]:
        good, broken = [], []
        for id, file in sorted(self._pools.items()):
            try:
                good.append(self.pool(id))
            except PlocalError as error:
                broken.append(Problem(file, error))
        return good, broken

    def _suggest(self, word: str, places: dict[str, Path]) -> str:
        missing = [problem.error.message for problem in self._missing_folders]
        return " ".join(filter(None, [did_you_mean(word, places), *missing]))
