"""Pairs to judge, made up, and the three verdicts on them."""

from __future__ import annotations

from pluralism_local.evaluation.judging import PairVerdict, ResponsePair

WIN, TIE, LOSE = PairVerdict("1", "2"), PairVerdict("tie", "tie"), PairVerdict("2", "1")


def pairs(count: int, a: str = "a plural view", b: str = "one view") -> list[ResponsePair]:
    """So many pairs of different situations, the responses being `a` and `b` of each."""
    return [ResponsePair(f"s{i}", f"situation {i}", f"{a} of {i}", f"{b} of {i}") for i in range(count)]
