"""What is asked when: the session over a worker that only takes notes."""

from __future__ import annotations

import queue
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pluralism_local import config
from pluralism_local.communities import Card, Community, Library, Pool, ad_hoc_pool
from pluralism_local.conversation.engines import Engines
from pluralism_local.conversation.history_log import ConversationLog
from pluralism_local.conversation.trace import Sources
from pluralism_local.engine.base import Capabilities
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.history import Conversation, History, asked_with, default_path, weighed
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import Ask
from pluralism_local.results import AnswerDelta, Comment, Result, Turn
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.jobs import AskJob, Lookup
from pluralism_local.tui.positions_pane import pane_text
from pluralism_local.tui.session import ChatSession
from pluralism_local.tui.transcript import welcome
from pluralism_local.tui.values_pane import pane_remarks
from pluralism_local.tui.worker import Worker
from pluralism_local.tui.worker_events import (
    Failed,
    Happened,
    Loading,
    Looked,
    NotReady,
    PoolFound,
    PoolMissing,
    Ready,
    WorkEvent,
)
from pluralism_local.types import ModelInfo, Sampling, Usage
from tests.support.chat_driver import start

MODEL = ModelInfo("first", "scripted", context=100)


class Notes:
    """A worker that does nothing."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.pools: list[tuple[str, tuple[str, ...]]] = []
        self.jobs: list[AskJob] = []
        self.looked: list[Lookup] = []

    def open(self, settings: config.Settings, *, communities: bool) -> None:
        self.opened.append(settings.model)

    def find_pool(self, settings: config.Settings, specs: tuple[str, ...]) -> None:
        self.pools.append((settings.pool, specs))

    def look(self, lookup: Lookup) -> None:
        self.looked.append(lookup)

    def ask(self, job: AskJob) -> None:
        self.jobs.append(job)


def begun(**settings: object) -> tuple[ChatSession, Notes]:
    """A session whose model is open, and whose pool is read."""
    session, worker = fresh(**settings)
    session.begin()
    session.take(PoolFound(hamlet(), Library([])))
    session.take(Ready(session.state.settings, MODEL))
    return session, worker


def fresh(**settings: object) -> tuple[ChatSession, Notes]:
    worker = Notes()
    begin = start(**{"model": "first", "mode": "vanilla", **settings})  # type: ignore[arg-type]
    return ChatSession(begin, worker, lambda id: cast(ConversationLog, id or "new")), worker


def hamlet(*weights: float) -> Pool:
    """Two communities; without weights they count the same."""
    block = {"schema": 1, "name": "x", "description": "x", "persona": "x"}
    both = [Community(Card.model_validate({**block, "id": id})) for id in ("aa", "bb")]
    pool = ad_hoc_pool([(community, None) for community in both])
    return weighed(pool, weights)


def asked(mode: ModeName, pool: Pool | None = None, called: str = "village", **more: str) -> Conversation:
    """A conversation of one turn that was asked so, in the history."""
    task = Ask("Ban phones?", mode, pool, **more)  # type: ignore[arg-type]
    with History(default_path()) as history:
        id = history.begin(task.prompt)
        turn = history.ask(id, mode, task.prompt, asked_with(task, config.Settings(pool=called)))
        history.finish(turn, replace(result(task.prompt, "Perhaps."), mode=mode))
        return history.get(id)


def result(prompt: str, answer: str) -> Result:
    turn = Turn(prompt, answer, {}, {}) if answer else None
    return Result("vanilla", prompt, answer, (), MODEL, None, Sampling(), Sampling(), turn=turn)


def end(session: ChatSession, job: AskJob, answer: str) -> None:
    session.take(Happened(job.number, result(job.ask.prompt, answer), 12))


def test_prompts_go_out_one_at_a_time_each_after_the_turns_before() -> None:
    session, worker = begun()
    session.submit("one")
    session.submit("two")
    assert [job.ask.prompt for job in worker.jobs] == ["one"]
    end(session, worker.jobs[0], "Answer one.")
    assert [job.ask.prompt for job in worker.jobs] == ["one", "two"]
    assert [turn.answer for turn in worker.jobs[1].ask.turns] == ["Answer one."]
    assert worker.jobs[1].ask.keep
    assert session.context == 12


def test_nothing_goes_out_while_any_model_is_being_opened() -> None:
    session, worker = fresh()
    session.begin()
    session.take(PoolMissing("No.", ""))
    session.use_model("second")
    session.submit("one")
    session.take(Ready(session.state.settings, MODEL))
    assert worker.jobs == []  # or the first model would be opened again for it
    session.take(Ready(session.state.settings.model_copy(update={"model": "second"}), MODEL))
    assert [job.settings.model for job in worker.jobs] == ["second"]


def test_a_model_that_cannot_be_opened_changes_nothing() -> None:
    session, worker = begun()
    session.use_model("typo")
    session.submit("one")
    assert worker.jobs == []
    session.take(NotReady("No.", "", one_goes_on=True))
    assert [job.settings.model for job in worker.jobs] == ["first"]


def test_without_any_model_prompts_wait_and_can_be_taken_back() -> None:
    session, worker = fresh()
    session.begin()
    session.submit("one")
    session.take(NotReady("No.", "", one_goes_on=False))
    assert (worker.jobs, session.waiting) == ([], 1)
    taken = session.take_back()
    assert taken is not None and taken.prompt == "one"
    assert session.take_back() is None and not session.exchanges


def test_events_of_a_conversation_left_behind_are_dropped() -> None:
    session, worker = begun()
    session.submit("one")
    session.submit("two")
    session.new()
    assert worker.jobs[0].stop.is_set()
    assert session.waiting == 0
    session.take(Happened(worker.jobs[0].number, AnswerDelta("late")))
    end(session, worker.jobs[0], "late")
    assert session.state.turns == () and session.exchanges == {}
    session.submit("three")
    assert worker.jobs[-1].ask.turns == ()
    assert session.retry() is None  # it is running


def test_retry_takes_the_turn_away_and_the_seed_up_until_the_next_prompt() -> None:
    session, worker = begun(seed=2**32 - 1)
    session.submit("one")
    worker.jobs[0].turn = 41  # its number in the history
    end(session, worker.jobs[0], "Answer.")
    assert session.retry() is not None
    again = worker.jobs[1]
    assert (again.ask.answer.seed, again.ask.comment.seed, again.ask.turns, again.retry_of) == (0, 0, (), 41)
    end(session, again, "Another.")
    session.submit("two")
    assert worker.jobs[2].ask.answer.seed == 2**32 - 1
    assert [turn.answer for turn in worker.jobs[2].ask.turns] == ["Another."]
    assert worker.jobs[2].retry_of is None


def test_a_failed_prompt_adds_no_turn_and_can_be_retried() -> None:
    session, worker = begun()
    session.submit("one")
    event: WorkEvent = Failed(worker.jobs[0].number, "Broken.", "Mend it.")
    exchange = session.take(event)
    assert exchange is not None and (exchange.status, exchange.hint) == ("failed", "Mend it.")
    assert session.state.turns == ()
    assert session.retry() is not None
    assert worker.jobs[1].ask.prompt == "one"


def test_settings_of_an_engine_take_effect_when_it_is_open() -> None:
    session, worker = begun()
    changed = session.state.settings.model_copy(update={"threads": 3, "seed": 9, "pool": "other"})
    session.use_settings(changed)
    assert worker.opened == ["first", "first"] and worker.pools[-1] == ("other", ())
    assert (session.state.settings.threads, session.state.settings.seed) == (None, 9)
    session.take(Ready(changed, MODEL))
    assert session.state.settings.threads == 3


def test_an_attribute_goes_with_steerable_only() -> None:
    session, worker = begun(mode="steerable", attribute="rural")
    session.submit("one")
    end(session, worker.jobs[0], "Answer.")
    session.use_mode("vanilla")
    session.submit("two")
    assert [job.ask.attribute for job in worker.jobs] == ["rural", None]


def test_a_conversation_opened_is_asked_as_it_was() -> None:
    session, worker = begun(attribute="urban")
    session.use_options(("Yes", "No"))
    session.open_conversation(asked("steerable", hamlet(0.75, 0.25), attribute="rural", system="Be brief."))
    state = session.state
    assert (state.mode, state.attribute, state.system) == ("steerable", "rural", "Be brief.")
    assert state.options == ()
    assert worker.pools[-1] == (state.settings.pool, ("aa", "bb"))
    session.submit("And then?")
    assert worker.jobs == []  # it would be asked of the pool before
    session.take(PoolFound(hamlet(), Library([])))
    (job,) = worker.jobs
    assert job.ask.pool is not None and [one.weight for one in job.ask.pool.members] == [0.75, 0.25]
    assert (job.ask.attribute, len(job.ask.turns)) == ("rural", 1)
    end(session, job, "Well.")
    session.new()
    assert session.state.system is None  # nobody would see that it still holds
    assert session.state.mode == "steerable"


def test_an_opened_conversation_with_a_pool_of_a_name_asks_that_pool(tmp_path: Path) -> None:
    session, worker = begun()
    file = tmp_path / "two.yaml"
    session.open_conversation(asked("overton", replace(hamlet(), id="two", path=file), called=str(file)))
    assert worker.pools[-1] == (str(file), ())
    session.take(PoolFound(replace(hamlet(), id="two", path=file), Library([])))
    session.submit("And then?")
    with History(default_path()) as history:  # and it is kept under that name again
        id = history.begin("x")
        history.ask(id, "overton", "x", asked_with(worker.jobs[0].ask, worker.jobs[0].settings))
        assert history.get(id).turns[0].asked_with["pool"] == str(file)
    session.open_conversation(asked("overton", replace(hamlet(), id="coast", path=tmp_path / "coast.yaml")))
    assert worker.pools[-1] == ("coast", ())


def test_a_pool_that_is_gone_leaves_the_one_before() -> None:
    session, worker = begun()
    session.open_conversation(asked("overton", hamlet()))
    session.submit("And then?")
    session.take(PoolMissing("There is no community 'aa'.", ""))
    assert [job.ask.pool for job in worker.jobs] == [hamlet()]


def test_a_conversation_without_a_pool_changes_nobody() -> None:
    session, worker = begun(mode="steerable", attribute="rural")
    session.open_conversation(asked("vanilla"))
    session.submit("And then?")
    (job,) = worker.jobs
    assert (job.ask.mode, job.ask.pool, session.state.attribute) == ("vanilla", hamlet(), "rural")
    assert len(worker.pools) == 1


@pytest.mark.parametrize("origin", ["user config x", "PLOCAL_MODE", "--mode"])
def test_a_chat_begun_with_a_conversation_goes_on_as_it_was_unless_told_otherwise(origin: str) -> None:
    conversation = asked("steerable", hamlet(0.75, 0.25), attribute="rural", system="Be brief.")
    begin = replace(
        start(model="first", mode="moe", conversation=conversation),
        origin={"mode": origin, "pool": origin.replace("mode", "pool")},
    )
    worker = Notes()
    session = ChatSession(begin, worker, lambda id: cast(ConversationLog, id or "new"))
    session.begin()
    session.take(Ready(session.state.settings, MODEL))
    session.take(PoolFound(hamlet(), Library([])))
    session.submit("And then?")
    (job,) = worker.jobs
    assert job.ask.pool is not None and job.ask.system == "Be brief."
    shares = [one.weight for one in job.ask.pool.members]
    if origin == "--mode":
        assert (job.ask.mode, job.ask.attribute, shares) == ("moe", None, [0.5, 0.5])
        assert worker.pools == [("village", ())]
    else:
        assert (job.ask.mode, job.ask.attribute, shares) == ("steerable", "rural", [0.75, 0.25])
        assert worker.pools[0][1] == ("aa", "bb")
    session.new()
    assert session.state.system is None


def test_a_conversation_without_turns_says_nothing() -> None:
    with History(default_path()) as history:
        empty = history.get(history.begin("x"))
    session, worker = begun(mode="moe", conversation=empty)
    assert session.state.mode == "moe" and worker.pools == [("village", ())]


@pytest.mark.parametrize("over", [Happened(1, AnswerDelta("A")), Failed(1, "No.", "")])
def test_what_an_engine_gets_ready_amid_an_answer_is_not_said_for_ever(over: WorkEvent) -> None:
    session, _ = begun()
    session.submit("Why?")
    session.take(Loading("trying the adapters …"))
    assert session.loading == "trying the adapters …"
    session.take(over)
    assert session.loading == ""


def answer(session: ChatSession, exchange: Exchange) -> None:
    """It is answered from all comments, one of which says something."""
    comment = Comment("aa", "Yes.", "stop", Usage(4, 0, 2), 1.0)
    session.take(
        Happened(
            exchange.number,
            replace(result(exchange.prompt, "Some say yes."), mode="overton", comments=(comment,)),
        )
    )


def looked_for(worker: Notes) -> list[tuple[int, str, bool]]:
    """Exchange, what, and whether it was stopped."""
    return [(lookup.number, lookup.kind, lookup.stop.is_set()) for lookup in worker.looked]


def test_a_search_that_nobody_asked_for_waits_for_what_the_user_looks_for() -> None:
    session, worker = begun(mode="overton", chat_positions="always")
    first = session.submit("one")
    answer(session, first)
    session.take(Looked(1, None))
    second = session.submit("two")
    assert session.look(first, "sources")  # while the second is answered
    answer(session, second)
    assert looked_for(worker) == [(1, "positions", False), (1, "sources", False), (2, "positions", False)]
    assert session.lookups.runs(1, "sources") and second.search == "running"
    session.take(Looked(1, Sources("words", ())))
    assert first.sources is not None and second.search == "running"
    assert session.look(first, "positions")  # what nobody asked for gives way
    assert looked_for(worker)[-2:] == [(2, "positions", True), (1, "positions", False)]


def test_nothing_is_looked_for_while_another_model_is_opened() -> None:
    """Or the one before would be opened again for it."""
    session, worker = begun(mode="overton", chat_positions="always")
    exchange = session.submit("one")
    session.use_model("second")
    answer(session, exchange)
    assert worker.looked == [] and exchange.search == "none"
    assert not session.look(exchange, "positions")
    session.take(Ready(session.state.settings.model_copy(update={"model": "second"}), MODEL))
    assert session.look(exchange, "positions")
    assert worker.looked[0].settings.model == "second"


def test_a_search_that_failed_has_not_found_that_there_are_no_positions() -> None:
    session, _ = begun(mode="overton", chat_positions="always")
    exchange = session.submit("one")
    answer(session, exchange)
    session.take(Looked(1, None, message="The remote model could not be reached."))
    assert exchange.search == "failed" and exchange.warnings == ("The remote model could not be reached.",)
    assert pane_text(exchange, 60, dark=True).plain == "The search failed, F9 says why; F7 looks again."
    assert session.look(exchange, "positions")


def test_a_search_for_values_that_failed_says_so_and_can_be_made_again() -> None:
    session, _ = begun(mode="overton", chat_positions="never")
    exchange = session.submit("one")
    answer(session, exchange)
    assert session.look(exchange, "values")
    session.take(Looked(1, None, message="The remote model could not be reached."))
    assert exchange.values_search == "failed"
    (remark,) = pane_remarks(exchange, 60)
    assert remark.plain == "The search failed, F9 says why; F10 looks again."
    assert session.look(exchange, "values")


def test_what_was_got_ready_for_a_search_is_not_said_until_its_end() -> None:
    session, _ = begun()
    session.take(Loading("loading the scorer …"))
    session.take(Loading(""))
    assert session.loading == ""
    session.use_model("second")
    session.take(Loading(""))
    assert session.loading == "opening second …"


def test_news_of_an_answer_do_not_hide_that_another_model_is_opened() -> None:
    session, _ = begun()
    session.submit("Why?")
    session.use_model("second")
    session.take(Happened(1, AnswerDelta("A")))
    assert session.loading == "opening second …"


def test_a_base_model_is_told_apart_in_the_welcome() -> None:
    """Opened by the real worker; another model's welcome says nothing of it."""

    class Base(ScriptedEngine):
        @property
        def capabilities(self) -> Capabilities:
            return replace(super().capabilities, only_continues=True)

    engines = {"base": Base(None), "instruct": ScriptedEngine(None)}
    events: queue.SimpleQueue[WorkEvent] = queue.SimpleQueue()
    worker = Worker(Engines(None, "base", lambda name, *_: engines[name]), events.put)
    session, _ = begun()
    said = "A base model: it continues texts, and follows no instructions."
    for name, expected in (("base", True), ("instruct", False)):
        worker.open(config.Settings(model=name), communities=False)
        ready = events.get(timeout=60)
        assert isinstance(ready, Ready)
        session.take(ready)
        assert session.only_continues == expected
        assert (said in welcome(session, 80).plain) == expected
    assert worker.close()
