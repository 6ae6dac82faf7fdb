"""`plocal ask` over the scripted engine: formats, streams, modes, and the plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pluralism_local.cli import interrupt
from tests.support.command_line import Ran, Run
from tests.support.remote_server import HELLO, Server
from tests.support.scripts import script

QUESTION = "Should phones be banned in schools?"
RECORD = {
    "schema", "mode", "prompt", "answer", "attribute", "pool", "comments", "selection", "distribution",
    "model", "communities_model", "sampling", "usage", "timing", "warnings", "prompts", "complete", "finish",
    "turn", "conversation", "thought", "positions", "window", "draws", "rounds", "agreement",
}  # fmt: skip


def without_clock(ran: Ran) -> dict[str, object]:
    """A result without what differs from run to run."""
    record = ran.json()
    for comment in record["comments"]:
        del comment["seconds"]
    del record["timing"], record["conversation"]
    return dict(record)


def test_overton_answers_then_says_who_was_heard(run: Run, tmp_path: Path) -> None:
    model = script(
        tmp_path,
        {"match": "system: You speak for the farmers", "text": "Fields first."},
        {"match": "system: You speak for the fishers", "text": "Nets first."},
        {"match": "Passage 3", "text": "There are several views."},
    )
    ran = run("ask", "-m", model, QUESTION)
    assert ran.code == 0
    answer, heard = ran.out.split("\n\n", 1)
    assert answer == "There are several views."
    assert heard.startswith("Heard (pool village)\n")
    assert '  farmers  "Fields first."\n' in heard
    assert '  fishers  "Nets first."\n' in heard
    assert ran.err == ""


def test_streaming_changes_nothing_in_the_end(run: Run) -> None:
    for mode in ("overton", "steerable", "moe", "vanilla"):
        line = ("ask", "--mode", mode, "--attribute", "rural", QUESTION)
        assert run(*line, "--stream").out == run(*line, "--no-stream").out != ""


def test_a_plan_refuses_an_adapter_that_the_prompt_has_nothing_for(run: Run, starter_path: Path) -> None:
    line = ("ask", "-m", "starter", "--template", "none", "-p", "press-left", "-p", "press-right", QUESTION)
    refused = run(*line, "--dry-run")
    assert refused.code == 2 and "acts from the assistant's header on" in refused.err
    assert refused.err == run(*line).err


TRACED: tuple[dict[str, object], ...] = (
    {"match": "system: You speak for the farmers", "text": "Fields need water. Rain is late."},
    {"match": "system: You speak for the fishers", "text": "Nets *need* mending."},
    {"match": "Passage 3", "text": "The fields need water. Zebras graze."},
)


def test_who_said_this_in_text_markdown_and_json(run: Run, tmp_path: Path) -> None:
    line = ("ask", "-m", script(tmp_path, *TRACED), "--trace", QUESTION)
    text = run(*line).out
    assert text.split("\n\n")[-1] == (
        "Who said this? (words in common)\n"
        "  The fields need water.\n"
        '    1.00  farmers: "Fields need water."\n'
        "  Zebras graze.\n"
        "    no comment comes near (the nearest: 0.00)\n"
    )
    document = run(*line, "--format", "md").out
    assert '- The fields need water.\n  - 1.00 farmers: "Fields need water."\n' in document
    assert document.index("Who said this?") > document.index("### Heard")
    record = run(*line, "--json").json()
    assert set(record) == RECORD | {"trace"}
    assert [traced["sentence"] for traced in record["trace"]] == [
        "The fields need water.",
        "Zebras graze.",
    ]
    nearest = record["trace"][0]["nearest"]
    assert nearest[0] == {
        "community": "farmers",
        "score": pytest.approx(1),
        "sentence": "Fields need water.",
    }
    assert [near["community"] for near in nearest] == ["farmers", "fishers", "millers"]
    assert run(*line, "--format", "jsonl").lines()[-1]["trace"] == record["trace"]
    assert run("ask", "-m", script(tmp_path, *TRACED), QUESTION).out == text.rpartition("\n\n")[0] + "\n"


@pytest.mark.parametrize("mode", ["steerable", "vanilla"])
def test_an_answer_of_one_comment_or_none_is_not_traced(run: Run, mode: str) -> None:
    ran = run("ask", "--mode", mode, "--attribute", "rural", "--trace", QUESTION)
    assert ran.code == 2 and ran.out == ""
    assert "Only an overton answer can be traced to comments." in ran.err and "--mode overton" in ran.err


THINKS = "<think>\nI see 2 comments. The first is closest.\n</think>\n\nIt is fair."


def test_what_a_model_thinks_is_no_answer(run: Run, tmp_path: Path) -> None:
    model = script(tmp_path, {"pattern": ".*", "text": THINKS})
    for stream in ("--stream", "--no-stream"):
        ran = run("ask", "-m", model, "--mode", "vanilla", stream, QUESTION)
        assert (ran.code, ran.out) == (0, "It is fair.\n")
    ran = run("ask", "-m", model, "--mode", "vanilla", "--thoughts", QUESTION)
    assert ran.out == "It is fair.\n\nThought by the LLM:\n\nI see 2 comments. The first is closest.\n"
    ran = run("ask", "-m", model, "--json", QUESTION)
    record = ran.json()
    assert (record["answer"], record["thought"]) == ("It is fair.", THINKS[8:48].strip())
    assert {comment["text"] for comment in record["comments"]} == {"It is fair."}
    assert "think" not in json.dumps(record["turn"])


def test_a_thought_without_a_beginning_is_said_to_be_one(run: Run, tmp_path: Path) -> None:
    model = script(tmp_path, {"pattern": ".*", "text": "I see two.\n</think>\n\nIt is fair."})
    ran = run("ask", "-m", model, "--mode", "vanilla", QUESTION)
    assert ran.out.endswith("\n\nIt is fair.\n") and "</think>" not in ran.out
    assert "The text so far was the model's thinking" in ran.err
    assert run("ask", "-m", model, "--mode", "vanilla", "--no-stream", QUESTION).out == "It is fair.\n"
    assert run("ask", "-m", model, "--mode", "vanilla", "--json", QUESTION).json()["answer"] == "It is fair."


def test_a_model_that_only_thinks_is_told_with_what_to_do(run: Run, tmp_path: Path) -> None:
    model = script(tmp_path, {"pattern": ".*", "text": "<think> " + "so " * 40})
    ran = run("ask", "-m", model, "--mode", "vanilla", "--max-tokens", "12", QUESTION)
    assert ran.out.strip() == ""
    assert "only thought and came to no answer within 12 tokens: raise --max-tokens" in ran.err
    ran = run("ask", "-m", model, "--comment-max-tokens", "10", QUESTION)
    assert "No comment from farmers, fishers, millers" in ran.err and "raise --comment-max-tokens" in ran.err


def test_whole_comments_on_request(run: Run, tmp_path: Path) -> None:
    long = " ".join(f"word{number}" for number in range(60))
    model = script(tmp_path, {"match": "system: You speak", "text": long})
    assert "word59" not in run("ask", "-m", model, QUESTION).out
    assert run("ask", "-m", model, "--show-comments", QUESTION).out.count("word59") == 3


def test_a_cut_off_comment_is_reported(run: Run) -> None:
    ran = run("ask", "--comment-max-tokens", "3", QUESTION)
    assert ran.out.count("[cut off]") == 3
    assert ran.err.startswith("Warning: ") and "cut off at 3 tokens" in ran.err.lower()


def test_steerable_shows_the_choice_and_its_probability(run: Run) -> None:
    record = run("ask", "--mode", "steerable", "--attribute", "rural", "--json", QUESTION).json()
    chosen = record["selection"]["community"]
    p = record["selection"]["probabilities"][chosen]
    assert sum(record["selection"]["probabilities"].values()) == pytest.approx(1)
    ran = run("ask", "--mode", "steerable", "--attribute", "rural", QUESTION)
    assert ran.out.startswith(f"Chosen: {chosen} {100 * p:.1f} % (others: ")
    assert ran.out.split("\n\n")[1] == record["answer"].strip()


def test_distributional_is_an_estimate_with_bars_and_what_is_outside(run: Run, tmp_path: Path) -> None:
    model = script(
        tmp_path,
        {"match": "the farmers", "text": "Aye."},
        {"match": "the", "text": "Hm."},
        distributions=[
            {"match": "Aye.", "mass": {"A": 0.6, "B": 0.2}},
            {"match": "Hm.", "mass": {"A": 0.1, "B": 0.3}},
        ],
    )
    both = ("ask", "-m", model, "--mode", "dist", "--option", "Yes", "--option", "No", QUESTION)
    line = (*both, "--orders", "asked")
    ran = run(*line)
    assert ran.out.startswith(
        "Model estimate, not a survey of people\npool village: 3 communities, weighted, "
    )
    # 0.5 · 0.75 + 0.5 · 0.25 = 0.5; outside 0.5 · 0.2 + 0.5 · 0.6 = 0.4; ln 2 = 0.69
    assert "  Yes  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇                50.0 %\n" in ran.out
    assert "outside the options 40.0 % · entropy 0.69 of 0.69 nats · method scripted" in ran.out
    assert "no claim about any population" in ran.out
    assert "farmers" not in ran.out
    assert "farmers    50.0 %  75.0 %  25.0 %\n" in run(*line, "--show-comments").out
    assert "order effect" not in run(*line, "--show-comments").out

    # the letters' masses do not change with the options: by hand 0.5 · 0.75 + 0.5 · 0.25 from both orders is even
    ran = run(*both)
    assert "  No   ▇▇▇▇▇▇▇▇▇▇▇▇▇▇                50.0 %\n" in ran.out
    assert "0.69 nats · order effect 0.0 % over 2 orders · method scripted" in ran.out
    assert "farmers    50.0 %  50.0 %  50.0 %  25.0 %\n" in run(*both, "--show-comments").out
    assert (
        "| farmers | 50.0 % | 50.0 % | 50.0 % | 25.0 % |"
        in run(*both, "--show-comments", "--format", "md").out
    )


def test_places_that_decide_are_said(run: Run, tmp_path: Path) -> None:
    model = script(tmp_path, distributions=[{"match": "", "mass": {"A": 0.75, "B": 0.25}}])
    line = ("ask", "-m", model, "--mode", "vanilla", "--option", "Yes", "--option", "No", QUESTION)
    ran = run(*line)
    assert "The places of the options matter more than the options" in ran.err
    found = run(*line, "--json").json()["distribution"]
    assert (found["orders"], found["by_order"]) == ([[0, 1], [1, 0]], [[0.75, 0.25], [0.25, 0.75]])
    assert (found["p"], found["order_effect"], found["order_effects"]) == ([0.5, 0.5], 0.25, {})
    assert run(*line, "--orders", "asked").err == ""
    assert "rotate, reverse, asked" in run(*line, "--orders", "shuffle").err.replace("'", "")


def test_out_of_nothing_no_bars_are_drawn(run: Run, tmp_path: Path) -> None:
    model = script(
        tmp_path, {"match": "the", "text": "Hm."}, distributions=[{"match": "Hm.", "mass": {"Z": 0.9}}]
    )
    line = ("ask", "-m", model, "--mode", "dist", "--option", "Yes", "--option", "No", QUESTION)
    for format in ("text", "md", "json"):
        ran = run(*line, "--format", format)
        assert ran.code == 6
        assert "50.0 %" not in ran.out and "▇" not in ran.out
        assert "none of the options any probability" in ran.err
    assert (ran.json()["distribution"], ran.json()["answer"]) == (None, "")
    assert len(ran.json()["comments"]) == 3


def test_who_stands_in_has_no_shares_of_its_own(run: Run, tmp_path: Path) -> None:
    model = script(
        tmp_path,
        {"match": "the farmers", "text": "Aye."},
        {"match": "the", "text": "Hm."},
        distributions=[
            {"match": "Aye.", "mass": {"Z": 0.6}},
            {"match": "Hm.", "mass": {"A": 0.1, "B": 0.3}},
        ],
    )
    line = ("ask", "-m", model, "--mode", "dist", "--option", "Yes", "--option", "No", QUESTION)
    ran = run(*line, "--show-comments", "--orders", "asked")
    assert (ran.code, "even shares, 50.0 % of the weight, stand in" in ran.err) == (0, True)
    assert "farmers    50.0 %  -       -\n" in ran.out
    assert run(*line, "--json").json()["distribution"]["stand_ins"] == ["farmers"]


def test_json_is_the_whole_record(run: Run) -> None:
    line = ("ask", "--json", "--mode", "distributional", f"{QUESTION} A. Yes B. No C. Maybe")
    ran = run(*line, "--orders", "asked")
    record = ran.json()
    assert set(record) == RECORD
    assert record["schema"] == "plocal.result/1"
    found = record["distribution"]
    assert found["options"] == ["Yes", "No", "Maybe"]
    assert sum(found["p"]) == pytest.approx(1)
    assert all(sum(p) == pytest.approx(1) for p in found["per_community"].values())
    assert ran.err == ""
    rotated = run(*line).json()["distribution"]
    assert rotated["orders"] == [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    assert set(rotated) == set(found) and set(rotated["order_effects"]) == set(rotated["per_community"])


def test_jsonl_streams_events_and_ends_with_the_object(run: Run) -> None:
    lines = run("ask", "--format", "jsonl", "--mode", "steer", "--attribute", "rural", QUESTION).lines()
    *events, record = lines
    names = [event["event"] for event in events]
    assert set(names) == {"comment_started", "comment_delta", "comment_done", "selected", "answer_delta"}
    assert set(record) == RECORD
    said = "".join(event["text"] for event in events if event["event"] == "answer_delta")
    assert said.strip() == record["answer"].strip()
    done = [
        {k: v for k, v in event.items() if k != "event"}
        for event in events
        if event["event"] == "comment_done"
    ]
    assert sorted(done, key=lambda comment: str(comment["community"])) == record["comments"]


def test_markdown_escapes_what_would_be_markup(run: Run, tmp_path: Path) -> None:
    model = script(
        tmp_path,
        {"match": "system: You speak", "text": "a *star* and <b>"},
        {"match": "Passage", "text": "**Kept** as it is."},
    )
    ran = run("ask", "-m", model, "--format", "md", QUESTION)
    assert ran.out.startswith(f"> {QUESTION}\n\n**Kept** as it is.\n\n### Heard\n")
    assert "- **farmers**: a \\*star\\* and \\<b\\>" in ran.out
    assert ran.out.rstrip().splitlines()[-1].startswith("*overton, pool village, scripted:")


def test_control_characters_of_a_model_reach_no_terminal(run: Run, tmp_path: Path) -> None:
    model = script(tmp_path, {"match": "", "text": "red \x1b[31malert\x07 \r done"})
    ran = run("ask", "-m", model, "--show-comments", QUESTION)
    assert "\x1b" not in ran.out and "\x07" not in ran.out and "\r" not in ran.out
    assert "red [31malert" in ran.out
    assert run("ask", "-m", model, "--json", QUESTION).json()["answer"].startswith("red \x1b[31malert\x07")


def test_same_seed_same_object(run: Run) -> None:
    line = ("ask", "--json", "--temperature", "1", QUESTION, "--seed")
    assert without_clock(run(*line, "7")) == without_clock(run(*line, "7"))
    assert run(*line, "7").json()["answer"] != run(*line, "8").json()["answer"]


def test_communities_by_name_stand_in_for_a_pool(run: Run) -> None:
    record = run("ask", "--json", "-p", "millers", "-p", "farmers", QUESTION).json()
    assert [comment["community"] for comment in record["comments"]] == ["millers", "farmers"]
    assert [comment["weight"] for comment in record["comments"]] == [0.5, 0.5]


def test_lists_from_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOCAL_COMMUNITY", "millers farmers")
    monkeypatch.setenv("PLOCAL_OPTION", "Yes, all of them\nNo")
    monkeypatch.setenv("PLOCAL_JSON", "1")
    record = run("ask", "--mode", "dist", QUESTION).json()
    assert [comment["community"] for comment in record["comments"]] == ["millers", "farmers"]
    assert record["distribution"]["options"] == ["Yes, all of them", "No"]


def test_flag_over_variable_over_config(run: Run, village: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (village / "config.toml").write_text('pool = "village"\nmodel = "scripted:"\nseed = 1\nmax_tokens = 9\n')
    assert run("ask", "--json", QUESTION).json()["sampling"]["answer"]["seed"] == 1
    monkeypatch.setenv("PLOCAL_SEED", "2")
    sampling = run("ask", "--json", QUESTION).json()["sampling"]["answer"]
    assert (sampling["seed"], sampling["max_tokens"]) == (2, 9)
    assert run("ask", "--json", "--seed", "3", QUESTION).json()["sampling"]["answer"]["seed"] == 3


def test_two_models_are_two_handles(run: Run, tmp_path: Path) -> None:
    model = script(tmp_path, {"match": "Passage", "text": "Read."}, {"match": "", "text": "Mine."})
    record = run("ask", "--json", "--communities-model", model, QUESTION).json()
    assert record["model"]["id"] == "scripted:"
    assert record["communities_model"]["id"] == model
    assert {comment["text"] for comment in record["comments"]} == {"Mine."}


def test_an_alias_may_name_an_engine(run: Run, village: Path) -> None:
    (village / "config.toml").write_text('pool = "village"\n[aliases]\nfake = "scripted:"\n')
    assert run("ask", "--json", "-m", "fake", QUESTION).json()["model"]["backend"] == "scripted"


def test_a_baseline_asks_no_community(run: Run) -> None:
    record = run("ask", "--json", "--mode", "vanilla", "--pool", "missing", QUESTION).json()
    assert record["comments"] == [] and record["communities_model"] is None and record["answer"]


def test_usage_goes_to_stderr(run: Run) -> None:
    ran = run("ask", "-u", "--mode", "vanilla", QUESTION)
    assert ran.err.startswith("Usage: llm ") and "prompt tokens + " in ran.err
    assert "Usage" not in ran.out


def test_the_plan_has_every_prompt_and_decodes_nothing(run: Run) -> None:
    ran = run("ask", "--dry-run", "--json", "--mode", "dist", "--option", "Yes", "--option", "No", QUESTION)
    plan = ran.json()
    assert plan["schema"] == "plocal.plan/1" and plan["mode"] == "distributional"
    assert [one["id"] for one in plan["communities"]] == ["farmers", "fishers", "millers"]
    roles = [step["role"] for step in plan["steps"]]
    assert roles == ["communities"] * 3 + ["llm"] * 6
    assert plan["orders"] == "rotate"
    first, last = plan["steps"][0], plan["steps"][-1]
    assert first["messages"][0] == {"role": "system", "content": "You speak for the farmers."}
    assert first["tokens"] == 4 + sum(4 + len(one["content"].split()) for one in first["messages"])
    assert last["options"] == ["A", "B"] and last["max_tokens"] is None
    assert last["comment_tokens_at_most"] == 200
    weighed = run("ask", "--dry-run", "--mode", "dist", "--option", "Yes", "--option", "No", QUESTION).out
    assert "weighed         6 requests, orders of options: rotate\n" in weighed
    assert "A. No\n" in weighed
    text = run("ask", "--dry-run", QUESTION).out
    assert "mode            overton\n" in text and "weighed" not in text
    assert "[4] llm: " in text and " + at most 600 of comments, 512 new at most\n" in text


def stop_after(monkeypatch: pytest.MonkeyPatch, polls: int) -> None:
    """Ctrl-C, as if it came at the poll after this many."""

    def poll(self: interrupt.Interrupt) -> bool:
        nonlocal polls
        polls -= 1
        self.requested = self.requested or polls < 0
        return self.requested

    monkeypatch.setattr(interrupt.Interrupt, "__call__", poll)


def test_stopped_before_anything_is_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(monkeypatch, 0)
    ran = run("ask", QUESTION)
    assert ran.code == 130 and ran.out == ""
    stop_after(monkeypatch, 0)
    ran = run("ask", "--json", QUESTION)
    assert ran.code == 130 and ran.json()["error"]["code"] == "cancelled"


def test_stopped_during_comments_prints_what_there_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(monkeypatch, 5)
    ran = run("ask", QUESTION)
    assert ran.code == 6
    assert ran.out.startswith("Heard (pool village)\n  farmers  [stopped]\n    ")
    stop_after(monkeypatch, 5)
    record = run("ask", "--json", QUESTION).json()
    assert record["complete"] is False and record["comments"][0]["problem"] == "stopped"


def test_stopped_during_the_answer_keeps_both(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("ask", "--json", QUESTION).json()
    longest = max(comment["tokens"]["completion"] for comment in whole["comments"])
    stop_after(monkeypatch, longest + 6)
    ran = run("ask", QUESTION)
    answer = ran.out.split("\n\n")[0]
    assert ran.code == 6
    assert whole["answer"].startswith(answer) and 0 < len(answer) < len(whole["answer"].strip())


def test_a_black_box_answers_what_local_communities_comment_on(run: Run) -> None:
    server = Server()
    try:
        server.acts = [HELLO]
        record = run("ask", "--json", "-m", f"remote:http://{server.address}#far", QUESTION).json()
    finally:
        server.close()
    assert record["answer"] == "Hello"
    assert record["model"]["backend"] == "remote" and record["communities_model"]["backend"] == "scripted"
    (request,) = server.requests
    assert all(comment["text"] in request["messages"][-1]["content"] for comment in record["comments"])
