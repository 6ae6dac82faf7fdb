"""`plocal logs`, and what `plocal ask` keeps and goes on with, over the scripted engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pluralism_local.cli import interrupt
from pluralism_local.history import Conversation, History, default_path
from pluralism_local.results import Result
from tests.support.command_line import Run, plocal
from tests.support.scripts import script

QUESTION = "Should phones be banned?"
VANILLA = ("ask", "--mode", "vanilla")


def kept() -> tuple[Conversation, ...]:
    with History(default_path()) as history:
        return history.all()


def test_an_ask_is_kept_as_it_was(run: Run, village: Path) -> None:
    record = run("ask", "--json", "--seed", "7", QUESTION).json()
    (conversation,) = kept()
    (turn,) = conversation.turns
    assert conversation.id == record.pop("conversation") and conversation.title == QUESTION
    assert turn.record == record and turn.status == "done" and turn.answer == record["answer"]
    assert turn.asked_with["model"] == "scripted:" and turn.asked_with["pool"] == "village"
    assert turn.asked_with["communities"] == ["farmers", "fishers", "millers"]
    assert turn.asked_with["seed"] == 7
    last = run("ask", "--format", "jsonl", QUESTION).lines()[-1]
    assert [one.id for one in kept()] == [conversation.id, last["conversation"]]


def test_nothing_is_kept_unless_wanted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("ask", "-n", "--json", QUESTION).json()["conversation"] is None
    assert run("ask", "--dry-run", QUESTION).code == 0
    assert run("ask", "--mode", "overtone", QUESTION).code == 2
    assert run("ask", "-m", "missing.gguf", QUESTION).code == 3
    monkeypatch.setenv("PLOCAL_LOGGING", "off")
    assert run("ask", QUESTION).code == 0
    monkeypatch.delenv("PLOCAL_LOGGING")
    monkeypatch.setenv("PLOCAL_NO_LOG", "1")
    assert run("ask", QUESTION).code == 0
    assert not default_path().exists()


def test_on_and_off_and_status(run: Run, village: Path) -> None:
    assert run("logs", "status", "--json").json()["conversations"] == 0
    assert not default_path().exists()
    ran = run("logs", "off")
    assert ran.code == 0 and "logging = false" in (village / "config.toml").read_text()
    run("ask", QUESTION)
    status = run("logs", "status", "--json").json()
    assert (status["logging"], status["conversations"]) == (False, 0)
    assert status["origin"] == f"user config {village / 'config.toml'}"
    run("logs", "on")
    run("ask", QUESTION)
    status = run("logs", "status", "--json").json()
    assert (status["logging"], status["conversations"], status["turns"]) == (True, 1, 1)
    assert status["path"] == str(village / "data" / "logs.db") and status["file_bytes"] > 0
    assert "kept     1 conversation, 1 turn\n" in run("logs", "status").out
    assert run("logs", "path").out == f"{village / 'data' / 'logs.db'}\n"


def test_a_follow_up_sees_what_was_said(run: Run, tmp_path: Path) -> None:
    model = script(
        tmp_path,
        {"match": "assistant: Nets", "text": "Fishers again."},
        {"match": "You speak for the fishers", "text": "Nets first."},
        {"match": "You speak", "text": "Mine."},
        {"match": "assistant: Several", "text": "As I said."},
        {"match": "Passage", "text": "Several views."},
    )
    first = run("ask", "-m", model, "--json", QUESTION).json()
    second = run("ask", "-m", model, "--json", "-c", "And for teachers?").json()
    assert second["conversation"] == first["conversation"]
    assert second["answer"] == "As I said."
    said = {comment["community"]: comment["text"] for comment in second["comments"]}
    assert said["fishers"] == "Fishers again."
    (conversation,) = kept()
    assert [turn.prompt for turn in conversation.turns] == [QUESTION, "And for teachers?"]
    run("ask", "-m", model, "Something else?")
    third = run("ask", "-m", model, "--json", "--conversation", first["conversation"][:12], "More?").json()
    assert third["conversation"] == first["conversation"]
    plan = run(
        "ask", "-m", model, "--dry-run", "--json", "-c", "More?"
    ).json()  # the one used last, not begun last
    assert [message["content"] for message in plan["steps"][0]["messages"]][1::2][:2] == [
        first["turn"]["asked"]["farmers"], second["turn"]["asked"]["farmers"],
    ]  # fmt: skip
    assert [len(one.turns) for one in kept()] == [3, 1]


def test_a_follow_up_is_asked_as_the_one_before(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = tmp_path / "two.yaml"
    pool.write_text("- {card: fishers}\n- {card: millers}\n")
    line = ("ask", "--json", "--mode", "steer", "--attribute", "rural", "-s", "Be brief.")
    for who in (("-p", "fishers", "-p", "millers"), ("--pool", "coast"), ("--pool", "two.yaml")):
        run(*line, *who, QUESTION)
        monkeypatch.chdir("/")
        record = run("ask", "--json", "-c", "And then?").json()
        assert record["mode"] == "steerable" and record["attribute"] == "rural"
        assert [one["community"] for one in record["comments"]] == ["fishers", "millers"]
        monkeypatch.chdir(tmp_path)
    plan = run("ask", "--dry-run", "--json", "-c", "And then?").json()
    assert plan["steps"][-1]["messages"][0] == {"role": "system", "content": "Be brief."}
    ran = run("ask", "--json", "-c", "--mode", "overton", "-p", "farmers", "And then?")
    record = ran.json()
    assert record["mode"] == "overton" and record["attribute"] is None and ran.err == ""
    assert [one["community"] for one in record["comments"]] == ["farmers"]


def test_nothing_to_go_on_with(run: Run, village: Path) -> None:
    ran = run("ask", "-c", QUESTION)
    assert ran.code == 3 and "There is no conversation to go on with." in ran.err and ran.out == ""
    assert run("ask", "--conversation", "zzz", QUESTION).code == 3
    with History(default_path()) as history:
        id = history.begin("x")
        history.fail(history.ask(id, "overton", "Why?", {}), "Broken.")
    assert run("ask", "-c", QUESTION).code == 3
    ran = run("ask", "--conversation", id, QUESTION)
    assert ran.code == 2 and "has no answer to go on from" in ran.err


def test_a_follow_up_that_is_not_kept(run: Run) -> None:
    run(*VANILLA, QUESTION)
    record = run("ask", "-n", "-c", "--json", "And?").json()
    assert record["mode"] == "vanilla" and record["conversation"] is None
    assert [len(one.turns) for one in kept()] == [1]


def test_a_failure_is_kept_with_its_message(run: Run) -> None:
    ran = run(*VANILLA, "--ctx-size", "64", "--max-tokens", "100000", "long " * 50_000)
    assert ran.code == 2
    ((turn,),) = (one.turns for one in kept())
    assert turn.status == "failed" and turn.message in ran.err and turn.message


def stop_after(monkeypatch: pytest.MonkeyPatch, polls: int) -> None:
    def poll(self: interrupt.Interrupt) -> bool:
        nonlocal polls
        polls -= 1
        self.requested = self.requested or polls < 0
        return self.requested

    monkeypatch.setattr(interrupt.Interrupt, "__call__", poll)


def test_a_stopped_ask_is_kept_as_far_as_it_went(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(monkeypatch, 5)
    assert run(*VANILLA, QUESTION).code == 6
    stop_after(monkeypatch, 0)
    assert run(*VANILLA, QUESTION).code == 130
    partial, nothing = (one.turns[0] for one in kept())
    assert (partial.status, bool(partial.answer)) == ("stopped", True)
    assert (nothing.status, nothing.answer, nothing.message) == ("stopped", "", "")


def long_answer(folder: Path) -> tuple[str, ...]:
    """A command line whose answer has 4 MB."""
    model = script(folder, {"match": "", "text": f"{'word' * 250} " * 4000})
    return (*VANILLA, "-m", model, "--max-tokens", "4000", QUESTION)


def test_a_reader_that_goes_away_leaves_a_stopped_turn(village: Path, tmp_path: Path) -> None:
    command = plocal(*long_answer(tmp_path), stdout=subprocess.PIPE)
    assert command.stdout is not None
    command.stdout.read(1000)
    command.stdout.close()
    assert command.wait(60) == 0
    ((turn,),) = (one.turns for one in kept())
    assert turn.status == "stopped" and turn.answer.startswith("word")


def test_killed_while_it_answers(village: Path, tmp_path: Path) -> None:
    command = plocal(*long_answer(tmp_path), stdout=subprocess.PIPE)
    assert command.stdout is not None
    until = time.monotonic() + 60
    saved: list[str] = []
    while not any(saved):
        assert command.poll() is None and time.monotonic() < until
        command.stdout.read(20_000)  # no faster than that, so that it is saved before it is done
        time.sleep(0.05)
        saved = [turn.answer for one in kept() for turn in one.turns]
        statuses = [turn.status for one in kept() for turn in one.turns]
    assert statuses == ["running"]
    command.send_signal(signal.SIGKILL)
    command.wait(60)
    command.stdout.close()
    ((turn,),) = (one.turns for one in kept())
    assert turn.status == "stopped" and len(turn.answer) >= len(saved[0]) and turn.prompt == QUESTION


@pytest.mark.parametrize("kind", ["foreign", "newer", "unwritable"])
def test_a_history_that_cannot_be_used_never_stops_an_answer(run: Run, village: Path, kind: str) -> None:
    file = default_path()
    if kind == "foreign":
        file.write_bytes(b"something else " * 100)
    elif kind == "newer":
        run(*VANILLA, QUESTION)
        import sqlite3

        connection = sqlite3.connect(file)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    else:
        file.mkdir()
    ran = run(*VANILLA, "--json", QUESTION)
    assert ran.code == 0 and ran.json()["answer"] and ran.json()["conversation"] is None
    assert ran.err.startswith("Warning: This was not logged. ") and ran.err.count("\n") == 1
    assert run(*VANILLA, QUESTION).out.strip() == ran.json()["answer"].strip()
    listed = run("logs", "ls")
    assert listed.code == (4 if kind == "newer" else 2) and listed.out == ""
    assert run("ask", "-c", QUESTION).code == listed.code
    assert run(*VANILLA, "-n", QUESTION).err == ""


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from pluralism_local.cli.main import main
raise SystemExit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("room", [0, 400_000])
def test_a_full_disk_never_stops_an_answer(village: Path, tmp_path: Path, room: int) -> None:
    """Full from the beginning, or when the (long) result is to be kept."""
    line = [*long_answer(tmp_path), "--json"]
    done = subprocess.run([sys.executable, "-c", FULL, str(room), *line], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["answer"].count("word") == 1_000_000 and record["conversation"] is None
    assert done.stderr.count(b"This was not logged.") == 1 and b"Traceback" not in done.stderr


def test_listing_showing_and_searching(run: Run) -> None:
    assert run("logs", "ls").out == "id  updated  turns  title\n" and run("logs", "ls", "--json").json() == []
    assert run("logs", "show").code == 3
    first = run(*VANILLA, "--json", "Are *stars* nice?").json()
    second = run(*VANILLA, "--json", f"{QUESTION} " + "very long " * 30).json()
    head, newest, oldest = run("logs", "ls").out.splitlines()
    assert head.split() == ["id", "updated", "turns", "title"]
    assert newest.startswith(second["conversation"]) and newest.endswith("…") and len(newest) < 105
    assert oldest.endswith("1      Are *stars* nice?")
    ran = run("logs", "ls", "--limit", "1", "--json")
    assert [one["id"] for one in ran.json()] == [second["conversation"]] and "1 of 2" in ran.err

    shown = run("logs", "show", first["conversation"][:13].upper()).out
    assert shown.startswith("# Are \\*stars\\* nice?\n") and first["answer"].strip() in shown
    assert run("logs", "show", "last", "--json").json()["turns"][0]["record"]["answer"] == second["answer"]
    assert run("logs", "show", "0").code == 2 and run("logs", "show", "x").code == 3

    found = run("logs", "search", "*STARS*", "--json").json()
    assert [one["id"] for one in found] == [first["conversation"]] and "*stars*" in found[0]["snippet"]
    assert run("logs", "search", "phones").out.splitlines()[1].startswith(second["conversation"])
    assert run("logs", "search", '"long very', "(").code == 0
    assert run("logs", "search", " ").code == 2


def test_out_and_in_again(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("ask", QUESTION)
    run("ask", "-c", "And then?")
    run("ask", "Other?")
    file = tmp_path / "talks.json"
    ran = run("logs", "export", "--all", "--format", "json", "-o", str(file))
    assert ran.code == 0 and ran.out == "" and "Wrote 2 conversations" in ran.err
    assert run("logs", "export", "--all", "--format", "json").out == file.read_text()
    assert run("logs", "import", str(file)).out == "0 new, 0 with more turns, 2 here already.\n"
    monkeypatch.setenv("PLOCAL_HOME", str(tmp_path / "elsewhere"))
    assert run("logs", "import", str(file), "--json").json() == {"new": 2, "extended": 0, "known": 0}
    assert run("logs", "export", "--all", "--format", "json").out == file.read_text()
    assert run("logs", "export", "last", "last").out.startswith("# Other?\n")
    assert run("logs", "export", "last", "--format", "html").out.startswith("<!doctype html>")
    assert run("logs", "export").code == 2 and run("logs", "export", "last", "--all").code == 2
    assert run("logs", "export", "last", "-o", str(file / "x")).code == 2
    file.write_text("{}")
    ran = run("logs", "import", str(file))
    assert ran.code == 2 and "is no exported history" in ran.err
    assert run("logs", "import", str(tmp_path / "missing")).code == 3


def test_renaming_and_deleting(run: Run) -> None:
    for prompt in ("One?", "Two?", "Three?"):
        run(*VANILLA, prompt)
    one, two, three = (conversation.id for conversation in kept())
    assert "is now: A new name" in run("logs", "rename", one, "A new name").err
    ran = run("logs", "delete", one, "last")
    assert ran.code == 2 and "--yes" in ran.err and len(kept()) == 3  # no terminal: nobody to ask
    assert run("logs", "delete", "--yes", one, "zzz").code == 3 and len(kept()) == 3
    ran = run("logs", "delete", "--yes", one, one, "last")
    assert ran.code == 0 and ran.err == "Deleted 2 conversations.\n"
    assert [conversation.id for conversation in kept()] == [two] and three not in run("logs", "ls").out


def test_export_replaces_no_pipe_and_no_folder(run: Run, tmp_path: Path) -> None:
    run(*VANILLA, QUESTION)
    os.mkfifo(tmp_path / "ff")
    ran = run("logs", "export", "last", "-o", "ff")
    assert ran.code == 2 and "Nobody reads the pipe ff." in ran.err and (tmp_path / "ff").is_fifo()
    ran = run("logs", "export", "last", "-o", str(tmp_path))
    assert ran.code == 2 and "is a folder" in ran.err
    ran = run("logs", "export", "last", "-o", "~nobody-of-this-name/x.md")
    assert ran.code == 2 and "no home folder" in ran.err
    exporting = plocal("logs", "export", "last", "-o", "/dev/stdout", stdout=subprocess.PIPE)
    assert QUESTION in exporting.communicate()[0].decode() and exporting.returncode == 0


def test_a_history_that_is_deleted_meanwhile_gets_the_whole_ask(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*VANILLA, "Before?")
    finish = History.finish

    def deleted(self: History, turn: int, result: Result) -> None:
        monkeypatch.setattr(History, "finish", finish)
        default_path().unlink()
        finish(self, turn, result)

    monkeypatch.setattr(History, "finish", deleted)
    ran = run(*VANILLA, "--json", QUESTION)
    assert ran.code == 0 and "was deleted or replaced" in ran.err and "not logged" not in ran.err
    (conversation,) = kept()
    assert conversation.id == ran.json()["conversation"] and conversation.title == QUESTION
    assert conversation.turns[0].status == "done"
