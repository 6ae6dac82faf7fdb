"""The chat over its history."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from textual.widgets import Static

from pluralism_local.cli.main import main
from pluralism_local.communities import ad_hoc_pool
from pluralism_local.conversation.engines import Engines
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.history import History, default_path, weighed
from pluralism_local.tui.app import ChatApp
from tests.support.chat_driver import (
    QUESTION,
    Gated,
    ask,
    chat,
    opener,
    play,
    running,
    screen,
    start,
    until,
    write,
)


def test_the_answer_is_written_to_the_history_as_it_goes() -> None:
    async def scene() -> None:
        engine = Gated()
        app = chat(None, engine)
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            await until(pilot, lambda: app.session.running)
            with History(default_path()) as history:
                await until(pilot, lambda: history.list())
                found = history.get(history.list()[0].id)
                assert (found.turns[0].status, found.turns[0].prompt) == ("running", QUESTION)
                engine.allow()
                await until(pilot, lambda: app.session.running is None)
                found = history.get(found.id)
            assert found.turns[0].status == "done"
            assert found.turns[0].answer == app.session.exchanges[1].answer

    play(scene())


def test_leaving_while_it_answers_marks_the_turn_stopped_and_closes_the_engine() -> None:
    async def scene() -> None:
        engine = Gated()
        app = chat(start(model="first", mode="vanilla"), engine)
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            await until(pilot, lambda: app.session.running)
            await pilot.press("ctrl+q")
        assert engine.closed
        with History(default_path()) as history:
            found = history.latest()
        assert found is not None and found.turns[0].status == "stopped"

    play(scene())


def test_no_log_writes_nothing() -> None:
    async def scene() -> None:
        app = chat(start(log=False, model="first", mode="vanilla"))
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)

    play(scene())
    assert not default_path().exists()


def test_a_history_that_cannot_be_opened_is_one_warning(village: Path) -> None:
    default_path().parent.mkdir(parents=True, exist_ok=True)
    default_path().write_text("this is no database, and longer than a header of one hundred bytes " * 20)

    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"))
        async with running(app) as pilot:
            assert (await ask(pilot, app, QUESTION)).status == "done"
            assert (await ask(pilot, app, "Again?")).status == "done"
            await pilot.pause()
            assert screen(app).count("The history is not written") == 1

    play(scene())


def test_a_bug_of_the_history_is_told_once_and_the_chat_goes_on_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> int:
        raise KeyError("a bug")

    monkeypatch.setattr(History, "ask", broken)

    async def scene() -> None:
        app = ChatApp(
            start(model="first", mode="vanilla"),
            engines=Engines(None, "first", opener(first=ScriptedEngine())),
            fault_file=tmp_path / "faults.log",
        )
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            assert exchange.status == "failed" and "faults.log" in exchange.hint
            assert (await ask(pilot, app, QUESTION)).status == "done"

    play(scene())
    assert (tmp_path / "faults.log").read_text().count("KeyError: 'a bug'") == 1


def test_a_conversation_of_the_history_is_shown_and_gone_on_with() -> None:
    async def scene() -> None:
        engine = ScriptedEngine(record=True)
        app = chat(start(model="first"), engine)
        async with running(app) as pilot:
            first = await ask(pilot, app, QUESTION)
        with History(default_path()) as history:
            found = history.latest(to_go_on=True)
        assert found is not None
        engine = ScriptedEngine(record=True)
        app = chat(start(model="first", mode="vanilla", conversation=found), engine)
        async with running(app) as pilot:
            await pilot.pause()
            assert first.answer.split(".")[0][:40] in screen(app)
            assert "farmers" in screen(app)
            await ask(pilot, app, "And in universities?")
            assert len(engine.calls[-1].requests[0].messages) == 3
        with History(default_path()) as history:
            again = history.get(found.id)
        assert len(again.turns) == 2

    play(scene())


def test_another_conversation_can_be_opened_from_the_app() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"))
        async with running(app) as pilot:
            await ask(pilot, app, "The first conversation")
            await pilot.press("ctrl+n")
            await pilot.pause()
            assert "The first conversation" not in screen(app)
            await ask(pilot, app, "The second one")
            history = app.history_log.history()
            found = history.list(search="first conversation")
            app.session.open_conversation(history.get(found[0].id))
            app.rebuild()
            await pilot.pause()
            assert "The first conversation" in screen(app)
            assert "The second one" not in screen(app)

    play(scene())


def test_ask_goes_on_with_a_chat_as_it_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="steerable", attribute="rural", specs=("millers", "fishers")))
        async with running(app) as pilot:
            await until(pilot, lambda: app.session.library)
            await ask(pilot, app, QUESTION)

    play(scene())
    capsys.readouterr()
    assert main(["ask", "-c", "-m", "scripted:", "--json", "And in universities?"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["mode"], record["attribute"]) == ("steerable", "rural")
    assert [one["community"] for one in record["comments"]] == ["millers", "fishers"]
    with History(default_path()) as history:
        (found,) = history.all()
    assert [turn.asked_with["communities"] for turn in found.turns] == [["millers", "fishers"]] * 2
    assert [turn.asked_with["pool"] for turn in found.turns] == ["ad-hoc"] * 2


def test_shares_that_were_changed_in_a_chat_count_for_ask(capsys: pytest.CaptureFixture[str]) -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="overton"))
        async with running(app) as pilot:
            await until(pilot, lambda: app.session.library)
            assert app.session.library is not None
            both = [(app.session.library.community(id), None) for id in ("farmers", "fishers")]
            app.session.use_pool(weighed(ad_hoc_pool(both), (0.75, 0.25)))
            await ask(pilot, app, QUESTION)

    play(scene())
    capsys.readouterr()
    line = ["ask", "-c", "-m", "scripted:", "--dry-run", "--json", "And?"]
    assert main(line) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [(one["id"], one["weight"]) for one in plan["communities"]] == [
        ("farmers", 0.75),
        ("fishers", 0.25),
    ]
    assert main([*line, "-p", "farmers", "-p", "fishers"]) == 0  # named again: equal ones
    plan = json.loads(capsys.readouterr().out)
    assert [one["weight"] for one in plan["communities"]] == [0.5, 0.5]


@pytest.mark.parametrize("opened", ["at the start", "from the history"])
def test_a_chat_goes_on_with_what_ask_asked(opened: str, village: Path) -> None:
    (village / "data" / "communities" / "pools" / "coast.yaml").write_text(
        "- {card: fishers}\n- {card: millers}\n"
    )
    line = ["ask", "-m", "scripted:", "--mode", "steer", "--attribute", "rural", "-s", "Be brief."]
    assert main([*line, "--pool", "coast", QUESTION]) == 0
    with History(default_path()) as history:
        found = history.latest()

    async def scene() -> None:
        engine = ScriptedEngine(record=True)
        begin = start(model="first", conversation=found if opened == "at the start" else None)
        app = chat(begin, engine)
        async with running(app) as pilot:
            await until(pilot, lambda: app.session.library)
            if opened == "from the history":
                assert "OVERTON · pool: village" in screen(app)
                await pilot.press("ctrl+o")
                await until(pilot, lambda: QUESTION in screen(app))
                await pilot.press("enter")
            await until(pilot, lambda: "STEERABLE · pool: coast" in screen(app))
            assert app.view.attribute.value == "rural"
            exchange = await ask(pilot, app, "And in universities?")
            assert exchange.attribute == "rural"
            assert [name for name, _ in exchange.comments] == ["fishers", "millers"]
            assert engine.calls[-1].requests[0].messages[0].content == "Be brief."

    play(scene())
    with History(default_path()) as history:
        (again,) = history.all()
    first, second = (turn.asked_with for turn in again.turns)
    assert {**second, "model": first["model"]} == first


def test_a_pool_that_is_gone_is_told_and_the_one_before_asked(village: Path) -> None:
    pool = village / "two.yaml"
    pool.write_text("- {card: fishers}\n- {card: millers}\n")
    assert main(["ask", "-m", "scripted:", "--pool", str(pool), QUESTION]) == 0
    pool.unlink()

    async def scene() -> None:
        app = chat(start(model="first"))
        async with running(app) as pilot:
            await until(pilot, lambda: app.session.library)
            with History(default_path()) as history:
                found = history.latest()
            assert found is not None
            app.session.open_conversation(found)
            app.rebuild()
            await until(pilot, lambda: app.query(".trouble.note"))
            note = str(app.query_one(".trouble.note", Static).content)
            assert str(pool) in note and "The pool village goes on." in note
            exchange = await ask(pilot, app, "And in universities?")
            assert len(exchange.comments) == 3

    play(scene())


@pytest.mark.parametrize("removed", ["folder", "file", "replaced"])
@pytest.mark.parametrize("moment", ["between", "amid"])
def test_a_history_that_is_deleted_is_begun_anew_and_that_is_told_once(removed: str, moment: str) -> None:
    async def scene() -> None:
        engine = Gated()
        app = chat(start(model="first", mode="vanilla"), engine)
        async with running(app) as pilot:
            engine.allow()
            await ask(pilot, app, "The first question")
            if moment == "amid":
                engine.hold()
                await write(pilot, "The second question")
                await until(pilot, lambda: app.session.running)
            if removed == "folder":
                shutil.rmtree(default_path().parent)
            else:
                for file in default_path().parent.glob("logs.db*"):
                    if file.is_file():
                        file.unlink()
            if removed == "replaced":
                with History(default_path()) as other:
                    other.ask(other.begin("Another's"), "vanilla", "Another's", {})
            engine.allow()
            if moment == "between":
                await write(pilot, "The second question")
            await until(pilot, lambda: app.session.running is None and not app.session.waiting)
            await ask(pilot, app, "The third question")
            await pilot.pause()
            notes = [str(note.content) for note in app.query(".note").results(Static)]
            assert len(notes) == 1 and "deleted or replaced" in notes[0]
            await pilot.press("ctrl+o")
            await until(pilot, lambda: "2 turns" in screen(app), 20)
            assert "The first question" not in screen(app)
        with History(default_path()) as history:
            found = history.list(search="second question")
            assert len(found) == 1
            turns = history.get(found[0].id).turns
        assert [turn.prompt for turn in turns] == ["The second question", "The third question"]
        assert [turn.status for turn in turns] == ["done", "done"]
        assert all(turn.answer for turn in turns)

    play(scene())


def test_a_conversation_that_is_deleted_is_begun_anew_and_told() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"))
        async with running(app) as pilot:
            await ask(pilot, app, "The first question")
            with History(default_path()) as other:
                other.delete(other.list()[0].id)
            await ask(pilot, app, "The second question")
            await pilot.press("ctrl+r")
            await until(pilot, lambda: len(app.session.exchanges) == 2)
            await until(pilot, lambda: app.session.running is None and not app.session.waiting)
            notes = [str(note.content) for note in app.query(".note").results(Static)]
            assert len(notes) == 1 and "deleted from the history" in notes[0]
        with History(default_path()) as history:
            (found,) = history.all()
        first, again = found.turns
        assert (first.prompt, again.prompt) == ("The second question",) * 2
        assert again.asked_with["retry_of"] == first.id

    play(scene())
