"""Which passages carry the view: figures by hand, and what must not count."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from communitylm.corpus import view_scores as views
from communitylm.corpus.passages import Passage
from communitylm.corpus.preparing import Prepared, hold_out, rank
from communitylm.corpus.subjects import subjects
from communitylm.corpus.terms import terms
from communitylm.corpus.view_scores import PRIOR_TERMS, Z_LIMIT, Term, log_odds, view_scores
from tests.support.corpus import letters


def test_terms_are_content_words_and_neighbouring_pairs() -> None:
    assert terms("Health care, for the workers' children in 2005!") == [
        "health",
        "care",
        "health care",
        "workers",
        "children",
    ]


def spread(text: str, count: int, who: str) -> list[Passage]:
    return [Passage(text, speaker=f"{who}{i}") for i in range(count)]


def test_z_is_the_published_formula() -> None:
    own = spread("taxes taxes", 5, "a") + spread("schools", 5, "b")
    others = spread("taxes", 5, "c") + spread("schools schools", 5, "d")
    table = log_odds(own, others)
    # own: taxes 10, "taxes taxes" 5, schools 5 = 20 terms; others: taxes 5, schools 10, "schools schools" 5 = 20
    scale = PRIOR_TERMS / 40
    prior = 15 * scale  # taxes: 10 + 5
    a, b = 10 + prior, 5 + prior
    delta = math.log(a / (20 + PRIOR_TERMS - a)) - math.log(b / (20 + PRIOR_TERMS - b))
    assert table["taxes"] == Term("taxes", 10, 5, pytest.approx(delta / math.sqrt(1 / a + 1 / b)))  # type: ignore[arg-type]
    assert table["schools"].z == pytest.approx(-table["taxes"].z)


def test_one_persons_word_is_no_view() -> None:
    own = [*spread("taxes", 6, "a"), Passage("missouri " * 50, speaker="a0"), *spread("missouri", 5, "b")]
    table = log_odds(own, spread("schools", 6, "c"))
    assert "taxes" in table
    assert "missouri" not in table  # eleven speakers use it, one of them for 50 of 55 times


def test_a_passage_scores_the_mean_of_its_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"taxes": Term("taxes", 9, 0, 80.0), "schools": Term("schools", 0, 9, -2.0)}
    scores = view_scores([Passage("Taxes, schools, homes."), Passage("It is so.")], table)
    assert scores == [pytest.approx((Z_LIMIT - 2.0) / 3), 0.0]


def test_the_sides_of_a_town_are_told_apart() -> None:
    riders, drivers = letters("riders"), letters("drivers")
    table = log_odds(riders, drivers)
    own = sorted(table, key=lambda term: -table[term].z)
    assert {"workers", "pupils"} & set(own[:12])
    assert min(view_scores(riders, table)) > max(view_scores(drivers, table))
    assert views.SPEAKERS <= 6  # else the corpus above would prove nothing


def test_subjects_are_the_rare_terms_in_their_order() -> None:
    texts = [p.text for p in letters("riders")]
    named = subjects(texts)
    assert named[0] is not None and "tram fares" in named[0]
    assert subjects(["It is so.", "We all do."]) == [None, None]


def test_held_out_words_weigh_nothing() -> None:
    """Not even where a held-out speaker of either side shouts."""
    own = hold_out(Prepared(letters("riders", 10), 1, 1, {}), 0.2, 7)
    others = hold_out(Prepared(letters("drivers", 10), 1, 1, {}), 0.2, 7)
    assert {p.speaker for p in own.passages if p.held_out} == {"riders-3", "riders-9"}
    plain = rank(own, others.passages)
    shout = [
        [replace(p, text=p.text + " Zebra." * 99 if p.held_out else p.text) for p in side.passages]
        for side in (own, others)
    ]
    loud = rank(replace(own, passages=shout[0]), shout[1])
    assert plain.table == loud.table and "zebra" not in loud.table
    assert {p.text: p.view for p in plain.passages if not p.held_out} == {
        p.text: p.view for p in loud.passages if not p.held_out
    }
    assert all(p.view is not None for p in loud.passages)
