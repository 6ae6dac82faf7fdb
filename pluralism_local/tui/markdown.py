"""Markdown of a model's answer, drawn so that nothing it says is hidden.

    answer ──parser──> tokens ──AnswerMarkdown──> paragraphs, lists, quotes, tables, code

Headings, emphasis, lists, quotes, tables and code are formatted. Everything else is text as it was written: HTML and
what merely looks like it (``<name>``, ``List<String>``, ``a<b``), entities, links with where they lead, backslashes,
line breaks. Where Markdown would drop words (cells beyond a table's columns, words beside a code fence, quotes in
quotes in quotes), they are drawn as plain text instead.

It imports the parser, which the first paint does without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote, list_block, table
from markdown_it.rules_block.table import escapedSplit, getLine
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.emphasis import tokenize as emphasis
from markdown_it.token import Token
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Markdown
from textual.widgets._markdown import MarkdownParagraph, MarkdownTable, MarkdownTableContent

from pluralism_local.display.voices import Look
from pluralism_local.tui.voice_text import marked

DEEPEST = 8
"""Levels of lists and quotes inside each other; a list takes two. Deeper ones would leave narrow terminals no room."""

MOST_COLUMNS = 6
"""Of a table; with more, narrow terminals would have no room for a letter in a column."""

_BlockRule = Callable[[StateBlock, int, int, bool], bool]

_HIDING = ("autolink", "entity", "html_block", "html_inline", "image", "link", "reference")
_INTERRUPTS = ["paragraph", "reference", "blockquote", "list"]
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_QUOTE = re.compile(r">[ \t>]|>$")
_LINE_ENDS = str.maketrans(
    "\u2028\u2029", "\n\n"
)  # which the toolkit counts as lines, and the parser does not


def parser() -> MarkdownIt:
    """A parser of its own for every caller."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(_HIDING)
    block, inline, core = markdown.block.ruler, markdown.inline.ruler, markdown.core.ruler
    block.at("blockquote", _not_too_deep(_quote), {"alt": _INTERRUPTS})
    block.at("list", _not_too_deep(list_block), {"alt": _INTERRUPTS[:-1]})
    block.at("table", _table, {"alt": _INTERRUPTS[:2]})
    inline.at("escape", _backslash)
    inline.at("emphasis", _emphasis)
    core.after("block", "fences", _words_of_fences)
    core.push("breaks", _line_breaks)
    return markdown


class AnswerMarkdown(Markdown):
    """What a model wrote; its links open nothing. Lines of code wrap, as they cannot be scrolled by keyboard."""

    DEFAULT_CSS = """
    AnswerMarkdown { padding: 0; margin: 0; background: transparent; }
    AnswerMarkdown MarkdownParagraph { margin: 0 0 1 0; }
    AnswerMarkdown MarkdownList MarkdownParagraph { margin: 0; }
    AnswerMarkdown MarkdownFence { overflow: hidden; }
    AnswerMarkdown MarkdownFence > Label { width: 100%; padding: 0 1; }
    AnswerMarkdown MarkdownTableContent > .cell { text-overflow: fold; }
    AnswerMarkdown MarkdownTableContent > .header { text-overflow: fold; }
    """

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__("", classes=classes, parser_factory=parser, open_links=False)
        self._drawn = ""
        self._in_pieces = False
        self.voices: Mapping[str, Look] = {}
        self.dark = True

    async def show(
        self,
        text: str,
        *,
        growing: bool,
        voices: Mapping[str, Look] = MappingProxyType({}),
        dark: bool = True,
    ) -> None:
        """Draw `text`; while it is `growing` only what is new is parsed.

        Args:
            voices: those whose names are drawn in their colours where a mark names them, on `dark` ground or on light.

        The toolkit parses a piece without what stands before the last block, and so takes some for another kind of
        block; an answer that has ended is drawn once more, as a whole.
        """
        text = text.translate(_LINE_ENDS)
        if dark != self.dark and voices:
            self._in_pieces = True  # all of it is drawn anew
        self.voices, self.dark = voices, dark
        if growing and self._drawn and text.startswith(self._drawn):
            if piece := text[len(self._drawn) :]:
                await self.append(piece)
                self._in_pieces = True
        elif text != self._drawn or self._in_pieces:
            await self.update(text)
            self._in_pieces = False
        self._drawn = text


class _Paragraph(MarkdownParagraph):
    """A paragraph whose marks have the colours of the voices they name."""

    def _token_to_content(self, token: Token) -> Content:
        text = super()._token_to_content(token)
        answer = self._markdown
        return marked(text, answer.voices, dark=answer.dark) if isinstance(answer, AnswerMarkdown) else text


class _Cells(MarkdownTableContent):
    """Cells whose tooltips are text: the toolkit reads ``[…]`` in them as its own markup, and fails at some."""

    def compose(self) -> ComposeResult:
        for cell in super().compose():
            if isinstance(cell.tooltip, str):
                cell.tooltip = Content(cell.tooltip)
            yield cell


class _Table(MarkdownTable):
    def compose(self) -> ComposeResult:
        self._headers, self._rows = self._get_headers_and_rows()
        yield _Cells(self._headers, self._rows)


AnswerMarkdown.BLOCKS = {**Markdown.BLOCKS, "table_open": _Table, "paragraph_open": _Paragraph}


def _not_too_deep(rule: _BlockRule) -> _BlockRule:
    """The rule, where there is still room for it."""

    def shallow(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        return state.level < DEEPEST and rule(state, start, end, silent)

    return shallow


def _quote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A quote, unless ``>`` stands for "more than", as in ``>5 years``."""
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    return _QUOTE.match(line) is not None and blockquote(state, start, end, silent)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A table, unless it is too wide, or a row has more cells than there are columns: Markdown drops those."""
    before = len(state.tokens)
    if not table(state, start, end, silent):
        return False
    if silent:
        return True
    columns = sum(token.type == "th_open" for token in state.tokens[before:])
    rows = range(start + 2, state.line)
    if columns <= MOST_COLUMNS and all(_count_cells(state, row) <= columns for row in rows):
        return True
    del state.tokens[before:]
    state.line = start
    return False


def _count_cells(state: StateBlock, line: int) -> int:
    cells = escapedSplit(getLine(state, line).strip())
    return len(cells) - (cells[:1] == [""]) - (len(cells) > 1 and cells[-1] == "")


def _backslash(state: StateInline, silent: bool) -> bool:
    """A backslash keeps punctuation from being markup, and is drawn: it may belong to a path or a formula."""
    pair = state.src[state.pos : min(state.pos + 2, state.posMax)]
    if len(pair) < 2 or pair[0] != "\\" or pair[1] not in _PUNCTUATION:
        return False
    if not silent:
        state.pending += pair
    state.pos += 2
    return True


def _emphasis(state: StateInline, silent: bool) -> bool:
    """Emphasis, unless the asterisks stand where an operator does, as in ``2*3*4`` and ``(a)**(b)``."""
    mark = state.src[state.pos]
    if mark != "*" or silent:
        return emphasis(state, silent)
    end = state.pos
    while end < state.posMax and state.src[end] == mark:
        end += 1
    before, after = state.src[state.pos - 1 : state.pos], state.src[end : min(end + 1, state.posMax)]
    if not (_operand(before, ")]}") and _operand(after, "([{")):
        return emphasis(state, silent)
    state.pending += state.src[state.pos : end]
    state.pos = end
    return True


def _operand(character: str, brackets: str) -> bool:
    return character != "" and (character in brackets or (character.isascii() and character.isalnum()))


def _words_of_fences(state: StateCore) -> None:
    """Draw what stands beside an opening fence, unless it names the language of the code."""
    for token in state.tokens:
        beside = token.info.strip()
        if token.type == "fence" and beside and not (token.content.strip() and _is_language(beside)):
            token.content, token.info = f"{beside}\n{token.content}", ""


def _is_language(name: str) -> bool:
    from pygments.lexers import get_all_lexers  # type: ignore[import-untyped] # what the toolkit colours code with

    return any(name.lower() in aliases for _, aliases, _, _ in get_all_lexers())


def _line_breaks(state: StateCore) -> None:
    """Keep line breaks: models break lines where they mean it."""
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
