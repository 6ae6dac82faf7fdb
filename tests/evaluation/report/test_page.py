"""The page: well formed, safe whatever files say, accessible, and loading nothing."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest

from pluralism_local.evaluation.report import RunView, render
from tests.support import rows
from tests.support.report_pages import (
    FEW,
    GLOBAL,
    HOSTILE,
    IDENTITY,
    Begin,
    Page,
    Run,
    assert_within,
    page_of,
    record_of,
    rows_of,
    survey,
)


@pytest.fixture
def hostile(begin: Begin) -> str:
    found = [rows.global_opinion(i, f"Spain {HOSTILE}" if i % 2 else "Kenya") for i in range(12)]
    for row in found:
        row["options"] = [
            HOSTILE,
            "http://example.org/x.png " + "long " * 200,
            "</svg></table><img src=x onerror=y>",
        ]
        row["question"] += HOSTILE
    return begin(GLOBAL, found, *FEW)


def test_nothing_in_files_becomes_markup(run: Run, hostile: str) -> None:
    page = page_of(run, hostile, "--title", HOSTILE)
    assert page.all("h1")[0].words == HOSTILE.replace("\x07", "\ufffd")
    assert any(
        HOSTILE.replace("\x07", "\ufffd") in row for table in page.all("table") for row in rows_of(table)
    )
    tags = {one.tag for one in page.every()}
    assert not tags & {"script", "img", "link", "iframe", "object", "image", "use", "input", "form", "base"}
    assert not any(
        name.startswith("on") or name == "style" for one in page.every() for name in one.attributes
    )


def test_nothing_is_loaded_from_anywhere(run: Run, hostile: str) -> None:
    page = page_of(run, hostile)
    for one in page.every():
        assert "src" not in one.attributes and "xlink:href" not in one.attributes
        if "href" in one.attributes:
            target = one.attributes["href"]
            assert target.startswith("#") and any(
                other.attributes.get("id") == target[1:] for other in page.every()
            )
    (style,) = page.all("style")
    assert "url(" not in style.words and "@import" not in style.words and "http" not in style.words
    policies = [one.attributes["content"] for one in page.all("meta") if "http-equiv" in one.attributes]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_plots_are_accessible_and_within_their_axes(run: Run, hostile: str, begin: Begin) -> None:
    page = page_of(run, hostile, begin("distributional-moralchoice", [rows.moral(i) for i in range(6)], *FEW))
    figures = page.all("figure")
    assert figures and len(figures) == len(page.all("svg"))
    for figure in figures:
        (svg,) = figure.all("svg")
        assert svg.attributes["role"] == "img" and figure.all("table") and figure.all("caption")
        title, desc = svg.children[:2]
        assert (title.tag, desc.tag) == ("title", "desc") and title.words and desc.words
        assert svg.attributes["aria-labelledby"] == title.attributes["id"]
        assert svg.attributes["aria-describedby"] == desc.attributes["id"]
        assert_within(svg)
    headings = [int(one.tag[1]) for one in page.every() if one.tag in ("h1", "h2", "h3", "h4")]
    assert headings[0] == 1 and all(after <= before + 1 for before, after in pairwise(headings))


def test_the_same_runs_give_the_same_bytes_and_no_path(run: Run, begin: Begin, tmp_path: Path) -> None:
    folder = begin(GLOBAL, survey(9), *FEW)
    files = [tmp_path / "a.html", tmp_path / "b.html"]
    shown = [run("eval", "report", folder, "-o", str(file), "--json") for file in files]
    assert [one.code for one in shown] == [0, 0]
    assert shown[0].json() == {"file": str(files[0]), "runs": [record_of(folder)["run"]], "skipped": []}
    first, second = (file.read_bytes() for file in files)
    assert first == second and str(tmp_path).encode() not in first
    by_name = run("eval", "report", Path(folder).name, folder, "-o", "-").out
    assert by_name.encode() == first  # the same run twice is one run


def test_eighty_countries_fit() -> None:
    names = [f"Country {i:02d} " + "of a long name " * 4 for i in range(80)]
    figure = {"value": 0.25, "low": 0.2, "high": 0.3, "n": 5}
    record = {
        "n": 400,
        "wanted": 400,
        "methods": {"vanilla": {"js_distance": figure}},
        "parts": {"vanilla": {"country": {name: {"js_distance": figure} for name in names}}},
    }
    view = RunView("folder", {"id": "0123", "identity": IDENTITY}, record=record)
    page = Page(render("Eighty", [view]))
    (found,) = [one for one in page.all("figure") if "by country" in one.all("b")[0].words]
    assert len(rows_of(found.all("table")[0])) == 80
    assert found.all("details") and int(found.all("svg")[0].attributes["height"]) > 80 * 20
    assert_within(found.all("svg")[0])
    labels = [one.words for one in found.all("text") if "(n 5)" in one.words]
    assert len(labels) == 80


def test_a_page_of_nothing_is_still_a_page() -> None:
    page = Page(render("Nothing", []))
    assert page.all("h1")[0].words == "Nothing" and page.all("section") == []


def test_colours_are_legible_in_light_dark_and_print() -> None:
    """WCAG contrast with the page: 4.5 for text, 3 for marks."""
    style = Page(render("x", [])).all("style")[0].words
    roots = [
        dict(re.findall(r"(--\w+): (#\w{6})", one))
        for one in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    ]
    assert len(roots) == 3
    for colours in roots:
        for name in ("--ink", "--soft", "--link"):
            assert contrast(colours[name], colours["--paper"]) >= 4.5
        for key in range(7):
            assert contrast(colours[f"--k{key}"], colours["--paper"]) >= 3


def contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def test_a_view_tells_what_it_is_of() -> None:
    view = RunView("folder", {"id": "0123", "identity": IDENTITY})
    assert view.line == "Run 0123. Model big, pool village (1 community on small)."
    assert view.methods == {} and view.focus is None and view.count == ""
    assert os.sep not in view.title
