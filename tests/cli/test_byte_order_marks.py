"""Files that editors on Windows begin with a byte-order mark are read as if it were not there, and written without."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

from tests.support import rows
from tests.support.command_line import CARD, Run, add_card

MARK = codecs.BOM_UTF8


def mark(file: Path, text: str | None = None) -> str:
    """Begin the file with a mark; returns its name."""
    file.write_bytes(MARK + (file.read_bytes() if text is None else text.encode()))
    return str(file)


def test_settings_of_the_user_and_of_the_folder(run: Run, village: Path) -> None:
    config = village / "config.toml"
    mark(config)
    mark(Path("plocal.toml"), "seed = 7\nmodel = 'hf:a/b'\n")
    values = run("config", "show", "--json").json()
    assert (values["seed"]["value"], values["model"]["value"]) == (7, "scripted:")
    assert run("config", "trust").code == 0
    assert run("config", "show", "--json").json()["model"]["value"] == "hf:a/b"
    assert run("config", "set", "top_p", "0.5").code == 0
    assert not config.read_bytes().startswith(MARK)
    assert 'pool = "village"' in config.read_text("utf-8")


def test_cards_pools_and_scripts(run: Run, village: Path, tmp_path: Path) -> None:
    add_card(village, "bakers", CARD.format(id="bakers"))
    mark(village / "data" / "communities" / "bakers" / "README.md")
    mark(village / "data" / "communities" / "pools" / "coast.yaml")
    script = mark(tmp_path / "script.json", '{"replies": [{"pattern": ".*", "text": "Marked."}]}')
    assert run("communities", "validate", "bakers").code == 0
    ran = run("ask", "-n", "--pool", "coast", "--mode", "vanilla", "-m", f"scripted:{script}", "Hi")
    assert (ran.code, ran.out.strip()) == (0, "Marked.")


def test_data_answers_pairs_and_histories(run: Run, tmp_path: Path) -> None:
    answers = [{**rows.moral(number), "pred_distribution": [1, 0]} for number in range(2)]
    score = ("eval", "score", "--task", "distributional-moralchoice", "--json")
    assert run(*score, mark(tmp_path / "list.json", json.dumps(answers))).json()["n"] == 2
    lines = "".join(json.dumps(row) + "\n" for row in answers)
    assert run(*score, mark(tmp_path / "lines.jsonl", lines)).json()["n"] == 2

    run("ask", "Is tipping fair?")
    run("logs", "export", "last", "--format", "json", "-o", "exported.json")
    assert run("logs", "import", mark(Path("exported.json"))).code == 0


def test_a_runs_own_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([rows.global_opinion(number) for number in range(2)]))
    begin = (
        "eval",
        "run",
        "--task",
        "distributional-globalopinionqa",
        "--data",
        "rows.json",
        "--output",
        "run",
    )
    assert run(*begin, "--method", "vanilla").code == 0
    mark(Path("run/run.json"))
    assert run("eval", "resume", "run").code == 0
