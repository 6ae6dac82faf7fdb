"""Deliberations of people as windows: every question's own table, evenly by agreement."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.deliberations import ParticipantStatement, read_deliberation, window_rows

EXPORT = """\ufeff"Name","Phones"
"Participants","40"

"Question ID","Question Type","Question","Responses","All(40)","O1: Male (20)"
"1","Poll Single Select","Are you well?","Yes, I am quite well","90.0%","80.0%"

"Question ID","Question Type","Question","Star","Responses","Sentiment","All(38)","O1: Male (19)"
"2","Ask Opinion","Ban phones?","","Phones should be banned in class.","Negative","62%","50%"
"2","Ask Opinion","Ban phones?","","  phones SHOULD be banned in class. ","Negative","61%","50%"
"2","Ask Opinion","Ban phones?","","Yes","Negative","99%","50%"
"2","Ask Opinion","Ban phones?","","Let every parent
decide, please.","Neutral","40%","50%"
"2","Ask Opinion","Ban phones?","","Pupils with phones must be expelled.","Negative","5%","50%"
"2","Ask Opinion","Ban phones?","","Nobody counted these votes yet.","Negative","","50%"

"Question ID","Question Type","Question","Star","Responses","Sentiment (en)","Branch A (9)","O1: Male (5)"
"3","Ask Opinion","Why so?","","They distract all of us.","Negative","70%","50%"
"4","Ask Experience","When?","","Last year in my school.","Negative","70%","50%"
"""
REAL = Path(__file__).parents[3] / "shared" / "data" / "eval" / "overton" / "polarized_issues"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "phones_aggregate.csv"
    path.write_text(EXPORT, encoding="utf-8")
    return path


def test_opinions_are_read_with_their_agreement(export: Path) -> None:
    found = read_deliberation(export)
    assert list(found) == ["Ban phones?", "Why so?"]
    assert found["Why so?"] == [ParticipantStatement("They distract all of us.", 0.7)]
    assert found["Ban phones?"][3] == ParticipantStatement("Let every parent decide, please.", 0.4)
    assert len(found["Ban phones?"]) == 5


def test_windows_are_made_of_short_statements_each_once() -> None:
    statements = [
        ParticipantStatement(f"This is statement number {place}.", place / 10) for place in range(11)
    ]
    (row,) = window_rows({"Why?": statements}, most=3, support=0.5)
    assert row["viewpoints"] == [
        {"text": "This is statement number 10.", "weight": 1.0, "reasonable": True},
        {"text": "This is statement number 5.", "weight": 0.5, "reasonable": True},
        {"text": "This is statement number 0.", "weight": 0.0, "reasonable": False},
    ]
    assert window_rows({"Why?": statements}, most=1, support=0.5)[0]["viewpoints"][0]["weight"] == 1.0
    assert window_rows({"Why?": statements[:3]}, most=3, support=0.5) == []


WITHOUT_COUNTS = b"""Question ID,Question Type,Question,Responses,Score
2,Ask Opinion,Ban phones?,Ban them in every class.,62
"""


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", EXPORT[:260].encode(), WITHOUT_COUNTS]
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"x\.csv"):
        read_deliberation(path)


@pytest.mark.skipif(not REAL.is_dir(), reason="the deliberations are not here")
def test_the_published_exports_are_read() -> None:
    counts = {
        file.name: [len(statements) for statements in read_deliberation(file).values()]
        for file in sorted(REAL.glob("*/*_aggregate.csv"))
    }
    assert counts == {
        "campus_protests_aggregate.csv": [310, 308, 306, 301],
        "foreign_intervention_aggregate.csv": [310, 305, 300],
        "right_to_assemble_aggregate.csv": [307, 306, 105, 201, 305, 303],
    }
