"""Elements and text that HTML takes, whatever is in the text.

text ──clean──> no characters that HTML forbids ──escape──> markup          tag, children ──element──> markup
"""

from __future__ import annotations

import html
import re

# C0 and C1 controls but for tab and line breaks, lone surrogates, noncharacters
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """`text` with U+FFFD for every character that cannot stand in an HTML file."""
    return _FORBIDDEN.sub("\ufffd", text)


def escape(text: object) -> str:
    """`text` as markup that shows it, inside elements and quoted attributes alike."""
    return html.escape(clean(str(text)))


def element(tag: str, *children: str, **attributes: object) -> str:
    """``<tag …>children</tag>``; children are markup, attributes plain values.

    Of an attribute's name, a last underscore is dropped (`class_`) and others become hyphens; None leaves it out.
    """
    markup = "".join(
        f' {name.removesuffix("_").replace("_", "-")}="{escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{markup}>{''.join(children)}</{tag}>"
