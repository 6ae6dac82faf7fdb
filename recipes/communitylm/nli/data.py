"""From files of labelled pairs to what an NLI adapter is trained and evaluated on.

    files ──gather──> Gathered(training, held out, what was left out and why)
      ──examples──> opening (tokens that all prompts begin with) + Example per pair: rest of the prompt | answer's word

The prompt is the one of use, `pluralism_local.evaluation.nli.prompts`. Whole premises are held out, so no premise is
on both sides. SNLI's published files in plain JSON carry its tokenizer's spaces ("a dog ."): they are taken out, for
texts that are scored later have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from communitylm.corpus.split import order
from communitylm.nli.settings import NliSettings
from communitylm.training.examples import Example, Speller, Tokens
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.nli.base import LABELS, Label, NliPair
from pluralism_local.evaluation.nli.data import read_pairs
from pluralism_local.evaluation.nli.prompts import NLI_WORDS, nli_message

_SEAMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"`` ?"), '"'),
    (re.compile(r" ?''"), '"'),
    (re.compile(r" (?=[.,;:!?%)])"), ""),
    (re.compile(r"(?<=\() "), ""),
    (re.compile(r" (?=(?:n't|'(?:s|m|re|ve|d|ll))\b)"), ""),
)
TOKENIZED = re.compile(r" [.,](?: |$)")
"""What shows that a text has been tokenized."""


@dataclass(frozen=True, slots=True)
class SourcedPair:
    """A labelled pair and the name of its file."""

    pair: NliPair
    label: Label
    source: str


@dataclass(frozen=True)
class Gathered:
    """Rows to train on and to hold out, both in a seeded order, and counts by why rows were left out.

    The reasons: ``"no gold label"``, ``"repeated"``, ``"two labels"``, ``"apart"``, ``"surplus"``.
    """

    training: tuple[SourcedPair, ...]
    held_out: tuple[SourcedPair, ...]
    left_out: dict[str, int]


def gather(settings: NliSettings) -> Gathered:
    """Read, clean, split by premise and balance.

    Raises:
        NotFound, InvalidInput: as `read_pairs`; files without a pair of each label, or one premise only.
    """
    part, seed = settings.values.pairs, settings.values.training.seed
    read = [(path.name, read_pairs(path)) for path in settings.files(part.files)]
    rows, left_out = _once(
        [SourcedPair(clean(row.pair), row.label, name) for name, data in read for row in data.rows]
    )
    left_out["no gold label"] = sum(data.skipped for _, data in read)
    apart = {
        _key(clean(row.pair).premise) for path in settings.files(part.apart) for row in read_pairs(path).rows
    }
    others = [row for row in rows if _key(row.pair.premise) not in apart]
    left_out["apart"] = len(rows) - len(others)
    held_out, training = _split(others, part.held_out, seed)
    missing = [label for label in LABELS if all(row.label != label for row in training)]
    if missing or not held_out:
        lacking = f"no pair of the label '{missing[0]}'" if missing else "too few premises to hold some out"
        raise InvalidInput(
            f"The files of {settings.path} have {lacking}.",
            "Give more pairs, of all three labels: pairs.files.",
        )
    if part.balance:
        balanced = _balanced(training)
        left_out["surplus"] = len(training) - len(balanced)
        training = balanced
    return Gathered(tuple(training), tuple(held_out), left_out)


def clean(pair: NliPair) -> NliPair:
    """The pair with single spaces, and without those of a tokenizer if it has been tokenized."""
    return NliPair(_clean(pair.premise), _clean(pair.hypothesis))


def examples(
    rows: Iterable[SourcedPair], speller: Speller, longest: int
) -> tuple[Tokens, list[tuple[SourcedPair, Example]], int]:
    """Tokens of each row's prompt and answer.

    Returns:
        The opening: tokens that every prompt begins with. Rows with their examples: `prompt` is the opening, `answer`
        the rest of the prompt and one token, the word, the only one with a loss. How many rows were longer than
        `longest` tokens and left out.

    Raises:
        InvalidInput: the base spells a word with several tokens, or no pair is short enough.
    """
    words = dict(zip(LABELS, word_tokens(speller), strict=True))
    prompts = []
    too_long = 0
    for row in rows:
        prompt = (*speller.prompt(nli_message(row.pair.premise, row.pair.hypothesis)), *speller.header)
        if len(prompt) > longest:
            too_long += 1
        else:
            prompts.append((row, prompt))
    if not prompts:
        raise InvalidInput(
            f"Every pair takes more than {longest} tokens with its question.",
            "Raise training.longest.",
        )
    shared = _common([prompt for _, prompt in prompts])
    opening = prompts[0][1][:shared]
    spelled = [
        (row, Example(opening, (*prompt[shared:], words[row.label]), len(prompt) - shared))
        for row, prompt in prompts
    ]
    return opening, spelled, too_long


def word_tokens(speller: Speller) -> Tokens:
    """The token of each of `NLI_WORDS`.

    Raises:
        InvalidInput: one takes several.
    """
    answers = [speller.text(word) for word in NLI_WORDS]
    for word, tokens in zip(NLI_WORDS, answers, strict=True):
        if len(tokens) != 1 or len({*answers}) < len(answers):
            raise InvalidInput(
                f"This base cannot say '{word}' in one token of its own.",
                "Take a base whose vocabulary has the words " + ", ".join(NLI_WORDS) + ".",
            )
    return tuple(tokens[0] for tokens in answers)


def _clean(text: str) -> str:
    text = " ".join(text.split())
    if not TOKENIZED.search(text):
        return text
    for seam, replacement in _SEAMS:
        text = seam.sub(replacement, text)
    return text


def _key(text: str) -> str:
    """What makes two premises the same."""
    return re.sub(r"\W+", " ", text.casefold()).strip()


def _once(rows: Sequence[SourcedPair]) -> tuple[list[SourcedPair], dict[str, int]]:
    """Each pair once, those with different labels not at all; and how many were left out for either reason."""
    labels: dict[tuple[str, str], set[Label]] = {}
    for row in rows:
        labels.setdefault(_pair_key(row), set()).add(row.label)
    distinct: dict[tuple[str, str], SourcedPair] = {}
    left_out = {"repeated": 0, "two labels": 0}
    for row in rows:
        key = _pair_key(row)
        if len(labels[key]) > 1:
            left_out["two labels"] += 1
        elif key in distinct:
            left_out["repeated"] += 1
        else:
            distinct[key] = row
    return list(distinct.values()), left_out


def _pair_key(row: SourcedPair) -> tuple[str, str]:
    return _key(row.pair.premise), _key(row.pair.hypothesis)


def _split(
    rows: Sequence[SourcedPair], share: float, seed: int
) -> tuple[list[SourcedPair], list[SourcedPair]]:
    """(held out, training), by premise; the pairs of both in a seeded order."""
    premises = sorted({_key(row.pair.premise) for row in rows}, key=lambda premise: order(seed, premise))
    chosen = {*premises[: max(1, round(share * len(premises)))]} if len(premises) > 1 else set()
    shuffled = sorted(rows, key=lambda row: order(seed, f"{row.pair.premise}\n{row.pair.hypothesis}"))
    parts: tuple[list[SourcedPair], list[SourcedPair]] = ([], [])
    for row in shuffled:
        parts[_key(row.pair.premise) not in chosen].append(row)
    return parts


def _balanced(rows: Sequence[SourcedPair]) -> list[SourcedPair]:
    """The first rows of each label, as many as the rarest has; their order stays."""
    most = min(sum(row.label == label for row in rows) for label in LABELS)
    seen = dict.fromkeys(LABELS, 0)
    balanced = []
    for row in rows:
        seen[row.label] += 1
        if seen[row.label] <= most:
            balanced.append(row)
    return balanced


def _common(prompts: Sequence[Tokens]) -> int:
    """Tokens that all prompts begin with; one at least is left over of each."""
    first, last = min(prompts), max(prompts)  # all others lie between, so they share what these do
    shortest = min(map(len, prompts)) - 1
    return next(
        (place for place in range(shortest) if first[place] != last[place]),
        shortest,
    )
