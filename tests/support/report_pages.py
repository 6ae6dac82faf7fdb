"""A strict reader of a report's page, and rows, figures and runs that tests have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tests.support import rows
from tests.support.command_line import Ran

VOID = frozenset({"meta"})
Run = Callable[..., Ran]
Begin = Callable[..., str]

GLOBAL = "distributional-globalopinionqa"
DISTANCE = "J–S distance (square root of the divergence, natural logarithms)"
FEW = ("--method", "ours", "--method", "vanilla")
HOSTILE = '<script>alert(1)</script> "quoted" & \u202e\x07'
SAMPLING = {"temperature": 1.0, "top_p": 0.9, "max_tokens": 20, "seed": 0}
IDENTITY = {
    "task": GLOBAL,
    "task_version": 1,
    "samples": {"n": 400, "sha256": "ef"},
    "llm": {"id": "big", "backend": "remote", "sha256": None},
    "communities_model": {"id": "small", "backend": "llama.cpp", "sha256": "ab"},
    "pool": {
        "id": "village",
        "members": [
            {"community": "all", "weight": 1.0, "adapter_sha256": "cd", "scale": 0.5, "persona_sha256": "00"}
        ],
    },
    "prompts": {},
    "comment": SAMPLING,
    "answer": SAMPLING,
    "version": "0",
}
"""A run's, as far as a page needs it."""


@dataclass
class Element:
    """A tag with what is in it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, tag: str) -> list[Element]:
        """Elements of this tag, in order."""
        return [
            found
            for child in self.children
            for found in ([child] if child.tag == tag else []) + child.all(tag)
        ]

    @property
    def words(self) -> str:
        """All text inside."""
        return self.text + "".join(child.words for child in self.children)


class Page(HTMLParser):
    """The tree; ill nesting, duplicate attributes and duplicate ids are AssertionErrors."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {})
        self._open = [self.root]
        self.feed(markup)
        self.close()
        assert self._open == [self.root], f"never closed: {[one.tag for one in self._open]}"
        ids = [one.attributes["id"] for one in self.every() if "id" in one.attributes]
        assert len(ids) == len(set(ids))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        found = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(found)
        if tag not in VOID:
            self._open.append(found)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].text += data

    def every(self) -> list[Element]:
        """All elements."""
        return _every(self.root)

    def all(self, tag: str) -> list[Element]:
        """Elements of this tag."""
        return self.root.all(tag)

    def table(self, caption: str) -> dict[str, dict[str, str]]:
        """The only table whose caption begins so: row -> column -> cell."""
        (found,) = [one for one in self.all("table") if one.all("caption")[0].words.startswith(caption)]
        return rows_of(found)

    def titles(self) -> list[str]:
        """Of the figures, without their numbers and full stops."""
        return [one.all("b")[0].words.partition(". ")[2].removesuffix(".") for one in self.all("figcaption")]


def _every(element: Element) -> list[Element]:
    return [found for child in element.children for found in (child, *_every(child))]


def rows_of(table: Element) -> dict[str, dict[str, str]]:
    """Row -> column -> cell."""
    head, *rows = ([cell.words for cell in row.children] for row in table.all("tr"))
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def survey(count: int = 24) -> list[rows.Row]:
    """Kenya, Spain and Japan have six questions or more, Tonga one."""
    names = ["Kenya", "Spain", "Japan"]
    golds = [(0.2, 0.5, 0.3), (0.9, 0.1, 0.0), (0.1, 0.1, 0.8), (0.4, 0.4, 0.2)]
    found = [rows.global_opinion(i, names[i % 3], golds[i % 4]) for i in range(count - 1)]
    return [*found, rows.global_opinion(count, "Tonga")]


def page_of(run: Run, *arguments: str) -> Page:
    """What `plocal eval report` makes of these runs."""
    ran = run("eval", "report", *arguments, "-o", "-")
    assert ran.code == 0, ran.err
    return Page(ran.out)


def record_of(folder: str) -> Any:
    """results.json."""
    return json.loads((Path(folder) / "results.json").read_text())


def cell(figure: dict[str, float]) -> str:
    """A figure as tables have it."""
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def assert_within(svg: Element) -> None:
    """Bars, marks and intervals between the first and the last line of the grid."""
    grid = [
        float(one.attributes["x1"]) for one in svg.all("line") if one.attributes["class"] in ("grid", "zero")
    ]
    top = min(
        float(one.attributes["y1"]) for one in svg.all("line") if one.attributes["class"] in ("grid", "zero")
    )
    for one in svg.children:
        at = {
            name: float(one.attributes[name])
            for name in ("x", "y", "cx", "cy", "x1", "x2", "width")
            if name in one.attributes
        }
        kind = one.attributes.get("class", "")
        if at.get("y", at.get("cy", top)) < top:
            continue
        if kind.startswith("bar"):
            assert min(grid) - 0.1 <= at["x"] and at["x"] + at["width"] <= max(grid) + 0.2
        elif one.tag == "circle":
            assert min(grid) - 0.1 <= at["cx"] <= max(grid) + 0.1
        elif kind.startswith("interval"):
            assert min(grid) - 0.1 <= at["x1"] <= at["x2"] <= max(grid) + 0.1
    assert all(0 <= float(one.attributes["x"]) <= float(svg.attributes["width"]) for one in svg.all("text"))
