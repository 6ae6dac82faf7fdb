"""Values as one HTML file that needs nothing else: no script, nothing loaded, every text escaped.

Values ──page──> HTML
"""

from __future__ import annotations

from pluralism_local.display.html import element, escape
from pluralism_local.model_names import without_folders
from pluralism_local.values.stakes import LEANINGS, Values, WeighedStake
from pluralism_local.values.tables import LEGEND, SAID, SIGNS, summary

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, p { overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; vertical-align: bottom; }
td, th { padding: .4rem 1.2rem .4rem 0; white-space: nowrap; } td { border-top: 1px solid #8886; vertical-align: top; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 13rem; width: 100%; }
td:last-child { padding-right: 0; }
.number { text-align: right; } .number, .shares { font-variant-numeric: tabular-nums; }
.quiet { opacity: .75; font-size: .9rem; }
.bar { display: flex; width: 9rem; height: .8rem; margin-top: .4rem; border: 1px solid #888; }
.key { display: inline-block; width: .7rem; height: .7rem; margin: 0 .3rem 0 0; border: 1px solid #888; }
.key ~ .key { margin-left: .7rem; }
.support { background: #2f7d4f; } .oppose { background: #b0562b; }
.either { background: repeating-linear-gradient(45deg, #888, #888 2px, #bbb 2px, #bbb 4px); }
"""


def page(values: Values) -> str:
    """The HTML text, with a line break at its end."""
    notes = [element("p", escape(sentence), class_="quiet", dir="auto") for sentence in summary(values)]
    warnings = [
        element("p", f"Warning: {escape(sentence)}", class_="quiet", dir="auto")
        for sentence in values.warnings
    ]
    body = "\n".join(
        [
            element("h1", escape(values.situation), dir="auto"),
            _table(values) if values.stakes else element("p", "Nothing is at stake."),
            *notes,
            *warnings,
            element("p", f"By {escape(without_folders(values.model.id))}. {escape(LEGEND)}", class_="quiet"),
        ]
    )
    return (
        '<!doctype html>\n<html lang="und">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(values.situation)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _table(values: Values) -> str:
    keys = (element("span", class_=f"key {leaning}", aria_hidden="true") + leaning for leaning in LEANINGS)
    names = ("at stake", "kind", "relevance", "leans", " ".join(keys))
    head = element("tr", *(element("th", name, scope="col") for name in names))
    table = element("table", element("thead", head), element("tbody", *map(_row, values.stakes)))
    return element("div", table, class_="wide")


def _row(weighed: WeighedStake) -> str:
    others = ", ".join(escape(stake.text) for stake in weighed.merged)
    also = element("div", f"also listed: {others}", class_="quiet") if others else ""
    name = element("strong", escape(weighed.stake.text))
    leans = (
        "" if weighed.valence is None else f"{SIGNS[weighed.valence.leaning]} {SAID[weighed.valence.leaning]}"
    )
    return element(
        "tr",
        element("td", name + element("div", escape(weighed.reason)) + also, dir="auto", class_="text"),
        element("td", weighed.stake.kind),
        element("td", f"{weighed.relevance:.2f}", class_="number"),
        element("td", leans),
        element("td", _shares(weighed), class_="shares"),
    )


def _shares(weighed: WeighedStake) -> str:
    """The three probabilities, in figures and as a bar."""
    if weighed.valence is None:
        return ""
    figures = ", ".join(f"{p:.2f}" for p in weighed.valence.p)
    parts = zip(LEANINGS, weighed.valence.p, strict=True)
    bar = [element("span", class_=leaning, style=f"flex: {p:.4f}") for leaning, p in parts]
    return figures + element("span", *bar, class_="bar", aria_hidden="true")
