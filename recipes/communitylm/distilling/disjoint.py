"""Training questions and those of evaluations must have nothing in common.

    training questions, evaluation texts ──overlaps──> [(question, what it is too like)]

Like means: the same words in any order of punctuation and case, or, of the words that carry meaning, a share of at
least `LIKE` in common (Jaccard).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.evaluation.voices import read_questions
from pluralism_local.repetition import words

LIKE = 0.6
_EMPTY_TEXT = """
a an and are as at be been by can could do does for from has have how if in is it its may more most not of on or our
should so than that the their them there they this to was we what when where which who why will with would you
"""
_EMPTY = frozenset(_EMPTY_TEXT.split())


def evaluation_texts(files: Iterable[Path] = ()) -> list[str]:
    """The questions that judge voices, and every text in `files` (JSON, JSON lines, or a text a line; .gz too).

    Raises:
        NotFound: a file is not there. InvalidInput: it cannot be read.
    """
    texts = [question.text for question in read_questions()]
    for path in files:
        try:
            stored = path.read_bytes()
            content = (gzip.decompress(stored) if path.suffix == ".gz" else stored).decode("utf-8")
        except FileNotFoundError:
            raise NotFound(f"There is no file {path} to keep apart from.") from None
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{path} cannot be read: {error}.") from error
        texts += _texts(_parsed(content))
    return texts


def overlaps(questions: Sequence[str], texts: Sequence[str]) -> list[tuple[str, str]]:
    """Each of `questions` that is like one of `texts`, with the first such one."""
    bags = [(text, _bag(text)) for text in dict.fromkeys(texts)]
    places: dict[str, set[int]] = {}
    for at, (_, bag) in enumerate(bags):
        for word in bag:
            places.setdefault(word, set()).add(at)
    alike = []
    for question in questions:
        own = _bag(question)
        candidates = sorted(set().union(*(places.get(word, set()) for word in own)))
        near = next(
            (at for at in candidates if len(own & bags[at][1]) >= LIKE * len(own | bags[at][1])), None
        )
        if near is not None:
            alike.append((question, bags[near][0]))
    return alike


def _bag(text: str) -> frozenset[str]:
    every = frozenset(words(text))
    return (every - _EMPTY) or every


def _parsed(content: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return [_line(line) for line in content.splitlines() if line.strip()]


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return line


def _texts(value: Any) -> Iterator[str]:
    """Every text in JSON data, at any depth; keys are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
