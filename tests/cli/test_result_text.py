"""Small pieces: tables, bars, first words, headings, and the choice of engines."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pluralism_local import wiring
from pluralism_local.cli.output import Output, key_values, table
from pluralism_local.cli.result_text import TextLayout, agreement, chosen, first_words, share, whose
from pluralism_local.communities import Card, Community, Member, Pool
from pluralism_local.config import Settings
from pluralism_local.conversation.engines import open_handles
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.modes import Ask, run
from pluralism_local.results import Aggregate, Result, Selection
from pluralism_local.types import ModelInfo, Sampling
from tests.support.mode_asks import THREE


def test_tables_are_aligned_and_hold_one_line_per_row() -> None:
    text = table([["a", "two\nlines"], ["long name", "x"]], ["id", "what"])
    assert text == "id         what\na          two lines\nlong name  x"
    assert table([], ["id", "what"]) == "id  what"
    assert key_values([("a", 1), ("none", None), ("long", "x")]) == "a     1\nlong  x"
    assert key_values([]) == ""


@given(st.text())
def test_first_words_are_one_line_without_control_characters(text: str) -> None:
    words = first_words(text)
    assert len(words.splitlines()) <= 1
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in words)


def test_bars_begin_at_the_same_cell_whatever_the_options_are_written_in() -> None:
    weighed = Aggregate(("No", "学校で\n電話を禁止する"), (0.5, 0.5), {}, {}, 0.0, 0.69, "exact")
    outcome = Result(
        "distributional",
        "x",
        "",
        (),
        ModelInfo("x", "scripted"),
        None,
        Sampling(),
        Sampling(),
        distribution=weighed,
    )
    out = Output(io.StringIO(), io.StringIO())
    (text,) = TextLayout(out, None, whole=False).after(outcome)
    lines = [line for line in text.splitlines() if "50.0 %" in line]
    assert [cell_len(line[: line.index("#")]) for line in lines] == [25, 25]
    assert [line.count("#") for line in lines] == [14, 14]


def test_a_choice_without_probabilities_says_how_it_was_made() -> None:
    assert chosen(Selection("a", "parsed", None, "Comment 1")) == 'a (named by the LLM: "Comment 1")'
    assert chosen(Selection("a", "fallback")).startswith("a (the LLM named none")
    assert chosen(Selection("a", "probabilities", {"b": 0.25, "a": 0.75})) == "a 75.0 % (others: b 25.0 %)"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


OPTIONS = ("Only where a teacher says so, and never in the breaks", "学校で電話を禁止する", "No")


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("weighs", [True, False])
def test_what_is_laid_out_fits_the_terminal(
    columns: int, weighs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.get_terminal_size", lambda fd: os.terminal_size((columns, 24)))
    engine = ScriptedEngine()
    task = Ask("Should phones be banned?", "overton", THREE, positions=True)
    if weighs:
        task = replace(task, mode="distributional", options=OPTIONS, positions=False)
    *_, result = run(task, llm=engine, communities=engine)
    assert isinstance(result, Result)
    if result.distribution is not None:
        bounds = ((0.0, 1.0),) * len(OPTIONS)
        result = replace(result, distribution=replace(result.distribution, bounds=bounds))
    out = Output(Terminal(), io.StringIO(), {"NO_COLOR": "1"})
    lines = "\n".join(TextLayout(out, THREE, whole=False).after(result)).splitlines()
    assert len(lines) > len(OPTIONS)
    assert [line for line in lines if cell_len(line) > columns] == []


def test_a_pipe_takes_lines_of_any_length() -> None:
    engine = ScriptedEngine()
    task = Ask("Should phones be banned?", "distributional", THREE, options=OPTIONS, orders="rotate")
    *_, result = run(task, llm=engine, communities=engine)
    assert isinstance(result, Result)
    (text,) = TextLayout(Output(io.StringIO(), io.StringIO()), THREE, whole=False).after(result)
    assert "order effect" in next(line for line in text.splitlines() if "outside the options" in line)


@pytest.mark.parametrize(("second", "agrees"), [((0.85, 0.15), True), ((0.5, 0.5), False)])
def test_that_all_agree_is_said(second: tuple[float, float], agrees: bool) -> None:
    rows: dict[str, tuple[float, ...]] = {"left": (0.95, 0.05), "right": second}
    p = (0.5 * (0.95 + second[0]), 0.5 * (0.05 + second[1]))
    found = Aggregate(("Yes", "No"), p, rows, {"left": 0.5, "right": 0.5}, 0.0, 0.3, "exact")
    said = "All 2 communities agree on Yes, 85.0 % at least: that is no window of opinions."
    assert agreement(found) == (said if agrees else "")
    model, sampling = ModelInfo("x", "scripted"), Sampling()
    outcome = Result("distributional", "x", "Yes", (), model, None, sampling, sampling, distribution=found)
    (text,) = TextLayout(Output(io.StringIO(), io.StringIO()), None, whole=False).after(outcome)
    assert (said in " ".join(text.split())) is agrees


def test_bounds_are_shown_with_the_estimate() -> None:
    found = Aggregate(("x", "y"), (0.5, 0.5), {}, {}, 0.0, 0.69, "top_logprobs", ((0.4, 0.6), (0.4, 0.6)))
    assert share(found, 0) == "50.0 % (40.0 % to 60.0 %)"
    assert share(replace(found, bounds=None), 0) == "50.0 %"


def member(id: str, weight: float, prior: dict[str, object] | None) -> Member:
    block = {"schema": 1, "id": id, "name": id, "description": "x", "persona": "x", "prior": prior}
    return Member(Community(Card.model_validate(block)), weight)


def test_weights_claim_only_what_the_cards_do() -> None:
    prior = {"weight": 0.7, "of": "the valley", "source": "census", "year": 1999}
    other = {**prior, "weight": 0.3}
    claimed = Pool("p", "P", (member("aa", 0.7, prior), member("bb", 0.3, other)))
    assert whose(claimed) == "pool p: 2 communities, weighted, shares of the valley (census, 1999)"
    equal = Pool("p", "P", (member("aa", 0.5, prior), member("bb", 0.5, other)))
    assert whose(equal) == "pool p: 2 communities, equal weights, no claim about any population"
    assert whose(Pool("p", "P", (member("aa", 1.0, None),))).startswith("pool p: 1 community, ")


class Stuck(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_trouble_with_stderr_is_ignored() -> None:
    out = Output(io.StringIO(), Stuck())
    out.warn("lost")
    out.status("lost")


def opened(monkeypatch: pytest.MonkeyPatch, settings: Settings, **options: Any) -> list[str]:
    """The models that an ask opens, by name."""
    names: list[str] = []

    def open_engine(name: str, *_: object) -> ScriptedEngine:
        names.append(name)
        return ScriptedEngine()

    monkeypatch.setattr(wiring, "open_engine", open_engine)
    defaults = {"communities": None, "default_local": "starter", "needed": True, "status": lambda _: None}
    with open_handles(settings, **{**defaults, **options}) as handles:
        assert (handles.llm is handles.communities) == (len(names) == 1)
    return names


def test_which_engines_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    local, remote = Settings(model="big"), Settings(model="remote:http://host#m")
    assert opened(monkeypatch, local) == ["big"]
    assert opened(monkeypatch, local, communities="big") == ["big"]
    assert opened(monkeypatch, local, communities="small") == ["big", "small"]
    assert opened(monkeypatch, remote) == ["remote:http://host#m", "starter"]
    assert opened(monkeypatch, remote, communities="remote:http://host#m") == ["remote:http://host#m"]
    assert opened(monkeypatch, remote, needed=False) == ["remote:http://host#m"]
    aliased = Settings(model="cloud", aliases={"cloud": "far", "far": "remote:http://host#m"})
    assert opened(monkeypatch, aliased) == ["cloud", "starter"]


@pytest.mark.parametrize(("default", "local"), [("remote:http://host", "starter"), ("big", "big")])
def test_the_default_for_communities_is_local(
    default: str, local: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLOCAL_MODEL", default)
    assert wiring.local_default({"model": "remote:http://other#m"}) == local


def test_offline_allows_this_machine_only(tmp_path: Path) -> None:
    offline = Settings(offline=True)
    wiring.open_engine("remote:http://127.0.0.1:1/v1#m", offline, lambda _: None).close()
    wiring.open_engine("remote:http://[::1]:1#m", offline, lambda _: None).close()


def test_tables_are_aligned_in_every_script() -> None:
    text = table([["日本", "Zoë \u202ekcab", "x"], ["a", "❤️ b", "y"]], ["id", "name", "of"])
    edges = {
        cell_len(line[: line.rindex(last)])
        for line, last in zip(text.splitlines(), ("of", "x", "y"), strict=True)
    }
    assert len(edges) == 1
    assert "\u202e" not in text


def test_values_stay_on_the_line_of_their_key() -> None:
    assert key_values([("corpus", "texts\nsha256  00"), ("path", "/a/two  spaces")]).splitlines() == [
        "corpus  texts sha256  00",
        "path    /a/two  spaces",
    ]
