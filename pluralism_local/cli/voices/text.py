"""The figures for people: voices as rows with a strip of their stances, pairs beneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pluralism_local.cli.eval.text import cell
from pluralism_local.cli.output import key_values, table
from pluralism_local.display.figures import many

if TYPE_CHECKING:
    from pluralism_local.evaluation.voices import Report

BINS = 11
"""Of a strip: from P = 0 on the left to P = 1 on the right."""

_BLOCKS = " ▁▂▃▄▅▆▇█"
_DIGITS = " 123456789"
BASE = "(bare model)"


def text_of(record: Mapping[str, Any], voices: Report, control: Report | None, *, unicode: bool) -> str:
    """Everything that a person is shown."""
    directed = any(one.left_answer for one in voices.voices)
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
            *_row(one.id, one.texts, one.yes.value),
            strip(one.left_answer if directed else one.answers, unicode),
        ]
        for one in voices.voices
    ]
    if control is not None:
        every = [p for one in control.voices for p in (one.left_answer if directed else one.answers)]
        yes = [p for one in control.voices for p in one.answers]
        mean = sum(yes) / len(yes) if yes else float("nan")
        rows.append([*_row(BASE, control.texts, mean), strip(every, unicode)])
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
    on_topic, *rest = (_percent(one.value) for one in shares)
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
        [shown, cell(record[name]), cell(base[name]) if base else "-"]
        for name, shown in names.items()
        if record[name] is not None
    ]
    return table(rows, ["pool", "voices", "bare model"])


def _pairs_table(record: Mapping[str, Any]) -> str:
    controls = {one["register"]: one for one in (record["base"] or {}).get("pairs", ())}
    rows = []
    for one in record["pairs"]:
        mixed, base = one["shuffled"], controls.get(one["register"])
        shuffled = "-" if mixed is None else f"{mixed['mean']:.3f} [{mixed['low']:.3f}, {mixed['high']:.3f}]"
        rows.append(
            [
                one["register"],
                str(one["questions"]),
                cell(one["agrees"]),
                shuffled,
                cell(base["agrees"]) if base else "-",
                cell(one["gap"]),
            ]
        )
    return table(rows, ["left and right", "n", "agrees", "shuffled", "bare model", "gap"])


def _opinions_table(opinions: Mapping[str, Any]) -> str:
    rows = [
        [scale, register, str(one["questions"]), cell(one["r"])]
        for scale, by_register in opinions.items()
        for register, one in by_register.items()
    ]
    return table(rows, ["people", "left and right", "n", "r with people"])


def _held_out_table(held_out: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [one["id"], str(one["passages"]), f"{one['voice']:.1f}", f"{one['base']:.1f}"] for one in held_out
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
