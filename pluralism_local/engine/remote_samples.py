"""Probabilities out of answers that are drawn and counted, for servers that show none.

    n answers ──chosen──> the option that each begins with, or none ──counted──> OptionDistribution with intervals

A share is a count over n; its bounds are the 95 % interval of Wilson's score, which holds for few answers and for
shares near 0 and 1, too. An answer that names no option counts as mass outside of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pluralism_local.engine.thoughts import ThoughtSplitter
from pluralism_local.proportions import interval
from pluralism_local.types import OptionDistribution

DRAWN_FIELDS = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 24}
THINKING_TOKENS = 2048  # of an answer that a thought comes before
_MARKS = " \t\r\n*_`'\"“”‘’«»([{<#>-:"


def chosen(options: Sequence[str], answer: str) -> int | None:
    """The index of the option that an answer begins with; None if with none, or with two of equal length.

    Marks around it do not matter ("**A**", "(B)."); what follows it must not be a letter or a digit.
    """
    begins = answer.lstrip(_MARKS)
    lengths = {
        index: len(option.strip())
        for index, option in enumerate(options)
        if re.match(rf"{re.escape(option.strip())}(?!\w)", begins)
    }
    longest = [index for index, length in lengths.items() if length == max(lengths.values())]
    return longest[0] if len(longest) == 1 else None


def without_thought(answer: str) -> str:
    """An answer without the block of thoughts that some servers leave before it."""
    splitter = ThoughtSplitter()
    splitter.push(answer)
    splitter.finish()
    return splitter.answer


def counted(options: Sequence[str], answers: Sequence[str]) -> OptionDistribution:
    """The shares of the options among at least one answer; uniform if none names an option."""
    n = len(answers)
    indices = [chosen(options, answer) for answer in answers]
    counts = [indices.count(index) for index in range(len(options))]
    named = sum(counts)
    return OptionDistribution(
        options=tuple(options),
        p=tuple(count / named if named else 1 / len(counts) for count in counts),
        mass=tuple(count / n for count in counts),
        unassigned_mass=1 - named / n,
        bounds=tuple(interval(count, n) for count in counts),
        method="samples" if named else "uniform",
        n=n,
    )
