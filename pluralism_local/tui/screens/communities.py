"""Who is asked: all communities of the library, and those of them that are in the pool.

    library, pool ──CommunitiesScreen──> dismiss(changed Pool), or None if nothing changed

Cards are read in a thread (their adapters are checked against their checksums). What cannot be used is listed with
the reason: a broken card, an adapter of another base model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from pluralism_local.communities import Community, Library, Pool, Problem, made_for
from pluralism_local.communities.cards import CARD_FILE
from pluralism_local.conversation.pool_draft import STEP, PoolDraft
from pluralism_local.conversation.pool_file import clash, save
from pluralism_local.display.figures import one_line
from pluralism_local.errors import InvalidInput
from pluralism_local.tui.screens.ask_line import AskLine
from pluralism_local.tui.screens.card_text import about, broken, misfit
from pluralism_local.tui.screens.confirm import Confirm
from pluralism_local.tui.screens.frame import BACK, DETAILS, HELP, SEARCH, DetailsPane, Frame
from pluralism_local.tui.screens.rows import ListRow, Rows
from pluralism_local.tui.screens.screen_keys import ScreenKey, bindings


@dataclass(frozen=True, slots=True)
class _Available:
    """All there is: usable communities, those of the pool first, and cards that cannot be used."""

    communities: tuple[Community, ...]
    problems: tuple[Problem, ...]


class CommunitiesScreen(Frame[Pool | None]):
    """Choose a pool's members, their scales and weights.

    Args:
        library: where the communities are.
        pool: the one in use.
        fingerprint: of the model that the communities speak through; None if it is not known, or does not matter.
    """

    NAME = "communities"
    KEYS = (
        ScreenKey("space", "take", "space", "in/out", "Take the community into the pool, or out of it"),
        ScreenKey("enter", "use", "enter", "use", "Use the pool as it is shown"),
        ScreenKey("plus,equals_sign", "scale(1)", "+ −", "scale", "Scale of its adapter, by 0.1"),
        ScreenKey(
            "w", "weight", "w", "weight", "Its weight, as a share of the pool; the others' shares give way"
        ),
        ScreenKey("ctrl+s", "save", "^s", "save", "Save the pool under a name"),
        DETAILS,
        SEARCH,
        BACK,
        HELP,
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(KEYS),
        Binding("minus,underscore", "scale(-1)", show=False),
        Binding("down", "to_list", show=False),
    ]
    AUTO_FOCUS = "#list"

    def __init__(self, library: Library, pool: Pool, fingerprint: str | None = None) -> None:
        super().__init__()
        self._library = library
        self._before = pool
        self._draft = PoolDraft(pool)
        self._fingerprint = fingerprint
        self._available = _Available(tuple(member.community for member in pool.members), ())

    def content(self) -> Iterator[Widget]:
        yield Input(placeholder="/ search: id, name, description, corpus", id="search", compact=True)
        yield Container(Rows(id="list"), DetailsPane(), id="split")

    def on_mount(self) -> None:
        self._show()
        self._read()

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        self.say("Reading the cards …")
        self._available = await asyncio.to_thread(_find, self._library, self._before)
        self.say()
        self._show()

    def _show(self, key: str | None = None) -> None:
        words = self.query_one("#search", Input).value.casefold().split()
        tails = {item.id: self._tail(item) for item in self._available.communities}
        rows = [
            self._row(item, tails) for item in self._available.communities if _fits(_text_of(item), words)
        ]
        rows += [_broken_row(item) for item in self._available.problems if _fits(str(item.path), words)]
        self.query_one("#list", Rows).show(rows, key)
        self.entitle(f"{self._draft.name}, {len(self._draft)} of {len(self._available.communities)}")
        if not rows:
            self.query_one(DetailsPane).show(Content(""))
            self.say(self._why_empty(words))

    def _why_empty(self, words: list[str]) -> str:
        if words:
            return f"No community has {one_line(' '.join(words), 60)!r}. Esc clears the search."
        return "No communities are here. `plocal communities ls` says where they are looked for."

    def _row(self, community: Community, tails: dict[str, str]) -> ListRow:
        taken = community.id in self._draft
        share = 100 * self._draft.share(community.id)
        wide, narrow = (f"{share:.1f} %", f"{share:.0f}%") if taken else ("", "")
        tail = tails[community.id].rjust(max(map(len, tails.values())))
        unfit = bool(misfit(community, self._fingerprint))
        bases = " and ".join(base.model for _, base in community.card.every_adapter)
        text = f"{community.id} · {f'for {bases}' if unfit else community.name}"
        right = (f"{wide:>7}  {tail}", f"{narrow:>4} {tail}")
        return ListRow(community.id, one_line(text), "[x] " if taken else "[ ] ", right, faint=unfit)

    def _tail(self, community: Community) -> str:
        """The scale of its adapter; or in a word why that is not used."""
        if misfit(community, self._fingerprint):
            return "persona" if community.persona else "unfit"
        scale = self._draft.scale(self._speaking(community))
        if scale is None:
            return ""
        return f"×{scale:.1f}" if round(scale, 1) == scale else f"×{scale:g}"

    @on(Input.Changed, "#search")
    def _search_changed(self) -> None:
        self.say()
        self._show()

    @on(Input.Submitted, "#search")
    def _search_done(self) -> None:
        self.action_to_list()

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        if event.row is None:
            return
        if (community := self._community(event.row.key)) is not None:
            self.query_one(DetailsPane).show(about(community, misfit(community, self._fingerprint)))
        elif (problem := self._problem(event.row.key)) is not None:
            self.query_one(DetailsPane).show(broken(problem))

    @on(Rows.Chosen)
    def _chosen(self) -> None:
        self.action_use()

    def action_use(self) -> None:
        with self.telling():
            pool = self._draft.pool()
            self.dismiss(None if pool == self._before else pool)

    def action_take(self) -> None:
        with self.telling():
            community = self._here()
            stuck = self._fingerprint is not None and not made_for(community, self._fingerprint)
            if stuck and community.persona is None and community.id not in self._draft:
                raise InvalidInput(
                    misfit(community, self._fingerprint), "Another model may fit: F3 in the chat."
                )
            self._draft.toggle(community)
            self._show()

    def action_scale(self, direction: int) -> None:
        with self.telling():
            community = self._here()
            if reason := misfit(community, self._fingerprint):
                raise InvalidInput(reason)
            self._draft.change_scale(self._speaking(community), direction * STEP)
            self._show()

    @work
    async def action_weight(self) -> None:
        with self.telling():
            community = self._here()
            self._draft.set_share(
                community.id, share := self._draft.share(community.id)
            )  # refuses before anything is typed
            answer = await self.app.push_screen_wait(
                AskLine(
                    f"Weight of {community.id}, in % of the pool", f"{100 * share:.4g}", check=_percentage
                )
            )
            if answer is not None:
                self._draft.set_share(community.id, _percentage(answer))
                self._show()

    @work
    async def action_save(self) -> None:
        with self.telling():
            pool = self._draft.pool()
            ask = AskLine(
                "Save the pool as (its id)",
                "" if pool.path is None else pool.id,
                check=lambda text: clash(text, self._library),
                hint="a-z, 0-9 and -",
            )
            id = await self.app.push_screen_wait(ask)
            if id is None:
                return
            question = clash(id, self._library)
            if question and not await self.app.push_screen_wait(Confirm(question, yes="Save", no="Leave it")):
                return
            saved = await asyncio.to_thread(save, id, pool)
            self._draft = PoolDraft(saved)
            self._show()
            self.say(f"Saved as '{id}': {saved.path}. Enter uses it.")

    def _here(self) -> Community:
        """The community under the cursor.

        Raises: InvalidInput for a broken card, or an empty list.
        """
        row = self.query_one("#list", Rows).row
        community = self._community(row.key) if row is not None else None
        if community is None:
            problem = self._problem(row.key) if row is not None else None
            raise problem.error if problem is not None else InvalidInput("No community is chosen.")
        return community

    def _community(self, key: str) -> Community | None:
        return next((community for community in self._available.communities if community.id == key), None)

    def _speaking(self, community: Community) -> Community:
        """With the adapter for this model as its first one."""
        return community if self._fingerprint is None else community.for_base(self._fingerprint)

    def _problem(self, key: str) -> Problem | None:
        return next((problem for problem in self._available.problems if str(problem.path) == key), None)


def _find(library: Library, pool: Pool) -> _Available:
    """Everything, those in the pool first."""
    chosen = [member.community for member in pool.members]
    ids = {community.id for community in chosen}
    others = [community for community in library.communities() if community.id not in ids]
    # of the problems those of cards: a broken pool is no community
    problems = [problem for problem in library.problems() if problem.path.name == CARD_FILE]
    return _Available((*chosen, *others), tuple(problems))


def _text_of(community: Community) -> str:
    card = community.card
    corpus = card.provenance.corpus if card.provenance else ""
    return f"{card.id} {card.name} {card.description} {corpus} {card.hub.license or ''}".casefold()


def _fits(text: str, words: list[str]) -> bool:
    return all(word in text.casefold() for word in words)


def _broken_row(problem: Problem) -> ListRow:
    text = f"{problem.path.parent.name} · {problem.error.message}"
    return ListRow(str(problem.path), one_line(text), "✗   ", faint=True)


def _percentage(text: str) -> float:
    """A share in [0, 1] from ``"17"`` or ``"16.7 %"``.

    Raises: InvalidInput.
    """
    try:
        share = float(text.removesuffix("%").strip().replace(",", ".")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InvalidInput("A weight is a number between 0 and 100.")
    return share
