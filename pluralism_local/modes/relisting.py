"""A question's list of options with the options in other places, and the letters of a comment moved with them.

    "Ban phones? A. Yes B. No", (1, 0) ──relisted──> "Ban phones? A. No B. Yes"
    "My answer is A. It helps.", (1, 0) ──relettered──> "My answer is B. It helps."

Only the options move: letters, and what stands around them, stay. A comment was written to the list as asked, so that a
letter in it that names an option must name it in the other list, too. Taken for one is a letter of the list that opens
a line, stands behind a word such as "option" or "answer is", stands alone in brackets or asterisks, or is followed by
its option.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pluralism_local.mode_specs import Orders
from pluralism_local.modes.options import letters
from pluralism_local.modes.orders import Order, orders_of

_BEHIND_A_WORD = (
    r"\b(?:options?|answers?|choices?|choose|chose|chosen|pick|select|selected|letter|response)\b"
    r"(?:\s+(?:is|was|are|would|be|option|answer|choice|letter|the))*\s*[:=]?\s*[\"'(*]*"
)


def orders_in(text: str, options: Sequence[str], orders: Orders) -> tuple[Order, ...]:
    """The orders to ask `text` in; the asked one alone where it does not list its options behind letters."""
    realised = orders_of(options, orders)
    return realised if len(realised) == 1 or _last_list(text, options) is not None else realised[:1]


def relisted(text: str, options: Sequence[str], order: Order) -> str:
    """`text` with its last list of these options in `order`.

    Raises:
        ValueError: it does not list them as "A. …", "B. …" (see `orders_in`).
    """
    entries = _last_list(text, options)
    if entries is None:
        raise ValueError("the question lists its options nowhere")
    parts, end = [], 0
    for place, option in enumerate(order):
        parts += [text[end : entries.start(place + 1)], entries[option + 1]]
        end = entries.end(place + 1)
    return "".join([*parts, text[end:]])


def _last_list(text: str, options: Sequence[str]) -> re.Match[str] | None:
    """Its groups are the options; white space inside one does not matter."""
    *_, last = None, *re.finditer(_list_pattern(options), text)
    return last


def _list_pattern(options: Sequence[str]) -> str:
    entries = []
    for letter, option in zip(letters(len(options)), options, strict=True):
        words = r"\s+".join(map(re.escape, option.split()))
        entries.append(rf"(?<!\w)\(?{letter}[.):]\s*({words})")
    return r"[\s,;]*".join(entries)


def relettered(comment: str, options: Sequence[str], order: Order) -> str:
    """`comment` with the letters that name an option moved to the places that `order` gives these options."""
    listed = letters(len(options))
    moved = {listed[option]: listed[place] for place, option in enumerate(order)}
    if all(before == after for before, after in moved.items()):
        return comment
    letter = f"[{listed[0]}-{listed[-1]}]"
    followed = "|".join(
        rf"{name}(?=[.):]?\s+{re.escape(option.strip())})"
        for name, option in zip(listed, options, strict=True)
    )
    pattern = re.compile(
        rf"(?P<line>^[\s\"'(*]*)(?P<opens>{letter})(?=[.):*]|\s*$)|"
        rf"(?P<word>(?i:{_BEHIND_A_WORD}))(?P<named>{letter})(?![\w'’])(?!(?<=[AI])\s+[a-z])|"
        rf"(?<=[(*])(?P<enclosed>{letter})(?=[)*])|"
        rf"(?<!\w)(?P<listed>{followed})",
        re.M,
    )

    def move(match: re.Match[str]) -> str:
        before = match["line"] or match["word"] or ""
        return before + moved[match["opens"] or match["named"] or match["enclosed"] or match["listed"]]

    return pattern.sub(move, comment)
