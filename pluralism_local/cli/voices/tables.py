"""The figures for people: voices as rows with a strip of their stances, pairs beneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pluralism_local.cli.eval.tables import cell
from pluralism_local.cli.output import key_values, table
from pluralism_local.display.figures import many

if TYPE_CHECKING:
    from pluralism_local.evaluation.voices.result import VoicesResult

BINS = 11
"""Of a strip: from P = 0 on the left to P = 1 on the right."""

_BLOCKS = " ▁▂▃▄▅▆▇█"
_DIGITS = " 123456789"
BASE = "(bare model)"


def text_of(result: VoicesResult, *, unicode: bool) -> str:
    """Everything that a person is shown."""
    record, voices, control = result.record, result.voices, result.control
    if voices is None:
        return "Nothing judged yet."
    directed = any(voice.left_answer for voice in voices.voices)
    facts = key_values(
        [
            ("pool", record["pool"]),
            ("model", record["model"] and record["model"]["id"]),
            ("judge", record["judge"]["id"]),
            ("questions", f"{voices.questions}, {voices.directed} with a known direction"),
            ("comments", _counts(record)),
            ("folder", record["folder"]),
        ]
    )
    head = ["voice", "n", "on topic", "yes", "repeats", "invents", "ends", "words"]
    strip_head = "left's answer: no … yes" if directed else "no … yes"
    rows = [
        [
            *_row(voice.id, voice.texts, voice.yes.value),
            strip(voice.left_answer if directed else voice.answers, unicode),
        ]
        for voice in voices.voices
    ]
    if control is not None:
        every = [p for voice in control.voices for p in (voice.left_answer if directed else voice.answers)]
        yes = [p for voice in control.voices for p in voice.answers]
        mean = sum(yes) / len(yes) if yes else float("nan")
        rows.append([*_row(BASE, control.texts, mean), strip(every, unicode)])
    if result.answers is not None:
        (answers,) = result.answers.voices
        stances = answers.left_answer if directed else answers.answers
        rows.append([*_row(answers.id, answers.texts, answers.yes.value), strip(stances, unicode)])
    blocks = [facts, table(rows, [*head, strip_head]), _pool_table(record)]
    if record["pairs"]:
        blocks.append(_pairs_table(record))
    if record["opinions"]:
        blocks.append(_opinions_table(record["opinions"]))
    if record["held_out"]:
        blocks.append(_held_out_table(record["held_out"]))
    blocks.append("95 % intervals over questions. What these figures mean: plocal communities judge --help")
    return "\n\n".join(blocks)


def strip(values: Sequence[float], unicode: bool = True) -> str:
    """How often values lie where between 0 and 1: a cell of height per bin, the fullest the highest; "" for none."""
    if not values:
        return ""
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int(value * BINS))] += 1
    steps = _BLOCKS if unicode else _DIGITS
    top = max(counts)
    drawn = "".join(steps[-(-count * (len(steps) - 1) // top)] for count in counts)
    return f"|{drawn}|"


def _row(name: str, texts: Any, yes: float) -> list[str]:
    shares = [texts.on_topic, texts.repeats, texts.invents, texts.ends]
    on_topic, *rest = (_percent(share.value) for share in shares)
    return [name, str(texts.comments), on_topic, _number(yes), *rest, _number(texts.words.value, 0)]


def _pool_table(record: Mapping[str, Any]) -> str:
    base = record["base"]
    names = {
        "on_topic": "on topic",
        "stance_spread": "stance spread",
        "two_sided": "asks with two firm sides",
        "positions": "different positions per ask",
        "repeats": "repeats",
        "invents": "invents",
        "ends": "ends by itself",
        "order_effect": "order effect of the judge",
    }
    rows = [
        [title, cell(record[name]), cell(base[name]) if base else "-"]
        for name, title in names.items()
        if record[name] is not None
    ]
    return table(rows, ["pool", "voices", "bare model"])


def _pairs_table(record: Mapping[str, Any]) -> str:
    controls = {pair["register"]: pair for pair in (record["base"] or {}).get("pairs", ())}
    rows = []
    for pair in record["pairs"]:
        mixed, base = pair["shuffled"], controls.get(pair["register"])
        shuffled = "-" if mixed is None else f"{mixed['mean']:.3f} [{mixed['low']:.3f}, {mixed['high']:.3f}]"
        rows.append(
            [
                pair["register"],
                str(pair["questions"]),
                cell(pair["agrees"]),
                shuffled,
                cell(base["agrees"]) if base else "-",
                cell(pair["gap"]),
            ]
        )
    return table(rows, ["left and right", "n", "agrees", "shuffled", "bare model", "gap"])


def _opinions_table(opinions: Mapping[str, Any]) -> str:
    rows = [
        [scale, register, str(figures["questions"]), cell(figures["r"])]
        for scale, by_register in opinions.items()
        for register, figures in by_register.items()
    ]
    return table(rows, ["people", "left and right", "n", "r with people"])


def _held_out_table(held_out: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            community["id"],
            str(community["passages"]),
            f"{community['voice']:.1f}",
            f"{community['base']:.1f}",
        ]
        for community in held_out
    ]
    return table(rows, ["own held-out text", "passages", "perplexity per word", "bare model"])


def _counts(record: Mapping[str, Any]) -> str:
    parts = [many(record["comments"], "comment")]
    waiting = record["comments"] - record["judged"] - record["failed"]
    parts += [f"{record['failed']:,} not judged: the judge failed"] if record["failed"] else []
    parts += [f"{waiting:,} blank or not judged yet"] if waiting else []
    return ", ".join(parts)


def _percent(value: float) -> str:
    return "-" if value != value else f"{100 * value:.0f} %"


def _number(value: float, digits: int = 2) -> str:
    return "-" if value != value else f"{value:.{digits}f}"
