"""Drawn comments counted by position: by hand, and as people see them."""

from __future__ import annotations

import math

import pytest

from pluralism_local.display.figures import cells
from pluralism_local.positions.shares import count, first_claims, headline, markdown, notes, table, text
from pluralism_local.proportions import interval
from pluralism_local.results import Draws

BAN, FREE = "Phones should be banned.", "Parents should decide."
COMMENTS = {
    "left": (f"{BAN} They distract.", "Ban phones in all schools.", BAN, "I'm sorry, I cannot say."),
    "right": (FREE, "", f"{FREE} Always.", BAN),
}


def drawn(weights: tuple[float, float] = (3.0, 1.0)) -> Draws:
    """`BAN` and its like are one position; 'right' is silent once, 'left' refuses once."""
    claims = first_claims(COMMENTS)
    places = {
        name: [at for at, it in enumerate(claims) if (it.claim == FREE) is name] for name in (False, True)
    }
    return count(
        COMMENTS,
        claims,
        [places[False], places[True]],
        dict(zip(COMMENTS, weights, strict=True)),
        "entailment",
    )


def test_everybodys_first_comment_comes_before_anybodys_second() -> None:
    claims = first_claims(COMMENTS)
    assert [(it.voice, it.claim) for it in claims] == [
        ("left", BAN),
        ("right", FREE),
        ("left", "Ban phones in all schools."),
        ("left", BAN),
        ("right", FREE),
        ("right", BAN),
    ]


def test_shares_by_hand() -> None:
    draws = drawn()
    ban, free = draws.positions
    assert (draws.n, ban.text, dict(ban.counts), dict(free.counts)) == (
        4,
        BAN,
        {"left": 3, "right": 1},
        {"left": 0, "right": 2},
    )
    assert dict(draws.silent) == {"left": 1, "right": 1}
    assert dict(draws.weights) == {"left": 0.75, "right": 0.25}
    assert ban.share.p == pytest.approx(0.75 * 3 / 4 + 0.25 * 1 / 4)
    assert free.share.p == pytest.approx(0.25 * 2 / 4)
    share = ban.shares["left"]
    assert (share.p, share.low, share.high) == (0.75, *interval(3, 4))
    assert free.shares["left"].p == 0 and free.shares["left"].high > 0.4  # none of 4 is not never
    shares = (0.625, 0.125, 0.25)
    assert draws.entropy_nats == pytest.approx(-math.fsum(p * math.log(p) for p in shares))
    assert draws.unseen == 0


def test_what_stands_alone_says_how_much_was_not_seen() -> None:
    claims = first_claims(COMMENTS)
    alone = count(COMMENTS, claims, [[place] for place in range(len(claims))], {"left": 1, "right": 1}, "llm")
    assert alone.unseen == 1
    nothing = count({"left": ("", "")}, [], [], {"left": 1}, "llm")
    assert (nothing.positions, nothing.silent, nothing.unseen, text(nothing)) == ((), {"left": 2}, 0, [])


def test_a_table_for_terminals() -> None:
    lines = text(drawn(), 78)
    assert lines[0].split() == ["position", "pool", "a", "b"]
    assert lines[1].startswith("1 Phones should be banned.") and lines[1].endswith("3 1")
    assert "62 %" in lines[1] and lines[2].endswith("· 2")
    assert lines[-1] == "a left   b right" and max(map(cells, lines)) <= 78
    said = list(notes(drawn()))
    assert said[0].startswith("8 comments, 4 of each voice, told apart by an entailment scorer.")
    assert "2 comments claimed nothing: left 1, right 1." in said


def test_many_voices_stand_below_the_position() -> None:
    comments = {f"voice-{place}": (BAN, FREE) for place in range(40)}
    claims = first_claims(comments)
    groups = [[at for at, it in enumerate(claims) if it.claim == claim] for claim in (BAN, FREE)]
    draws = count(comments, claims, groups, dict.fromkeys(comments, 1.0), "llm")
    lines = text(draws, 78)
    assert max(map(cells, lines)) <= 78 and sum("an 1" in line for line in lines) == 2
    assert any("an voice-39" in line for line in lines)


@pytest.mark.parametrize("width", [24, 30, 40, 46, 52, 60, 78, 120])
@pytest.mark.parametrize("voices", [1, 2, 6, 30])
def test_every_count_stands_in_the_room_that_there_is(width: int, voices: int) -> None:
    said = (BAN, f"{FREE[:-1]} about the phones of their own children, at any age.", BAN)
    comments = {f"v{place}": said for place in range(voices)}
    claims = first_claims(comments)
    groups = [[at for at, it in enumerate(claims) if it.claim == claim] for claim in said[:2]]
    draws = count(comments, claims, groups, dict.fromkeys(comments, 1.0), "llm")
    lines = text(draws, width)
    assert max(map(cells, lines)) <= width and "67 %" in " ".join(lines)
    counts = [word for line in lines[: lines.index("")] for word in line.split() if word in ("1", "2")]
    assert sorted(counts)[-voices:] == ["2"] * voices and len(counts) == 2 * voices + 2
    legend = " ".join(lines[lines.index("") :])
    assert all(f"v{place}" in legend for place in range(voices))
    assert cells(headline(draws, 60)) <= 60 and headline(draws).endswith(
        '67 % take "Phones should be banned"'
    )


def test_one_position_of_all_is_said() -> None:
    comments = {"left": (BAN, BAN), "right": (BAN, BAN)}
    draws = count(comments, first_claims(comments), [[0, 1, 2, 3]], {"left": 1, "right": 1}, "llm")
    assert list(notes(draws))[-1] == "All comments take one position: that is no window of opinions."
    assert draws.entropy_nats == 0 and draws.positions[0].share.high == 1


def test_tables_for_documents_show_names_and_no_markup() -> None:
    comments = {"a|b": ("Ban <b>all</b> phones | now.", BAN), "c": (BAN, BAN)}
    draws = count(comments, first_claims(comments), [[0], [1, 2, 3]], {"a|b": 1, "c": 1}, "llm")
    assert markdown(draws).splitlines()[0] == "| position | pool | a\\|b | c |"
    assert "<b>" not in table(draws) and "&lt;b&gt;all" in table(draws)
