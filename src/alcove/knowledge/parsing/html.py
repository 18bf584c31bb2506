"""Reads web pages: the words a reader of the page would see, with headings, lists and tables, without its furniture.

The HTML parser mends the page; its own serialisation of the result is then walked tag by tag, which is several times faster
than asking for every node of the tree, and needs no recursion. A page nested thousands deep takes the parser minutes
(200,000 `<div>`s: over one), so the nesting is estimated before the parser sees the page.
"""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from alcove.knowledge.parsing.errors import ParseLimit
from alcove.knowledge.parsing.models import HTML, ParsedDocument, ParseLimits
from alcove.knowledge.parsing.plain import decode
from alcove.knowledge.parsing.writing import Writer, one_line

_MAX_DEPTH: Final = 1_000
_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]{0,30})")
_SKIPPED: Final = {
    "script", "style", "noscript", "template", "nav", "svg", "math", "iframe", "object", "embed", "canvas", "head", "title",
    "select", "button", "input", "textarea", "datalist", "audio", "video", "footer", "dialog", "map",
}  # fmt: skip
_RAW: Final = ["script", "style", "noscript", "template", "xmp", "iframe", "noembed", "noframes", "plaintext"]
_VOID: Final = {
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "keygen", "link", "meta",
    "param", "source", "track", "wbr",
}  # fmt: skip
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_BLOCKS: Final = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "form", "header", "hgroup", "hr", "html", "legend", "li", "main", "ol", "p", "pre",
    "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
}  # fmt: skip
# Elements that HTML closes by itself or that hold nothing: they do not add to the estimated depth.
_FLAT: Final = {
    "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup", "colgroup", "col", "area",
    "base", "br", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "html", "head", "body",
    "rb", "rt", "rp", "rtc", "frame", "path", "use",
}  # fmt: skip
_MAX_INDENT: Final = 6
_BREAK: Final = "\x00"  # stands for <br> while a block is collected; no text that is read here holds one
_HIDDEN: Final = re.compile(
    r"""\s(?:hidden(?=[\s=>]|$)|aria-hidden="true"|style="[^"]*(?:display\s*:\s*none|visibility\s*:\s*hidden)"""
    r"""|role="(?:navigation|search|contentinfo|menu|menubar|dialog|alertdialog)")""",
    re.IGNORECASE,
)
_ALT: Final = re.compile(r"""\salt="([^"]*)\"""")
_TABLE: Final = re.compile(r"<(/?)table\b")
# The serialised page (HTML standard, 13.3): attributes in double quotes, `<` and `>` of texts and attributes escaped.
_TOKEN: Final = re.compile(
    r"""<(?:/(?P<closed>[a-z][^\s>]*+)\s*+>|!--.*?-->|(?P<opened>[a-z][^\s>]*+)(?P<attributes>(?:[^>"]++|"[^"]*+")*+)>)"""
    r"""|(?P<text>[^<]++)""",
    re.IGNORECASE | re.DOTALL,
)


def read_html(data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """The page's main text: `<main>` where there is a filled one, else the body."""
    warnings: list[str] = []
    found = _CHARSET.search(data[:4096])
    source = decode(data, name=name, warnings=warnings, declared=found[1].decode("ascii") if found else None)
    _refuse_deep(source, name)
    page = LexborHTMLParser(source)
    del source, data
    writer = Writer(name=name, limits=limits)
    writer.warnings.extend(warnings)
    title_node = page.css_first("head > title") or page.css_first("title")
    title = one_line(title_node.text()) if title_node is not None else ""
    root = _main(page)
    if root is not None:
        first = root.css_first("h1")
        if title and (first is None or one_line(first.text()).casefold() not in title.casefold()):
            writer.write(title)
        root.strip_tags(_RAW, recursive=True)
        _Walk(writer).run(root.html or "")
    return writer.finish(HTML, title=title)


def _refuse_deep(source: str, name: str) -> None:
    """Refuse a page whose elements nest deeper than any honest page's.

    Raises:
        ParseLimit: It is nested too deep.
    """
    depth = 0
    for tag in _TAG.finditer(source):
        if tag[2].lower() in _FLAT:
            continue
        depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > _MAX_DEPTH:
            message = (
                f"{name!r} nests its elements more than {_MAX_DEPTH:,} deep; save it as plain text or PDF instead."
            )
            raise ParseLimit(message)


def _main(page: LexborHTMLParser) -> LexborNode | None:
    candidates = [*page.css("main"), *page.css("[role=main]")]
    whole = page.body or page.root
    for candidate in candidates[:5]:
        if len((candidate.text() or "").split()) >= 20:  # noqa: PLR2004 - an empty shell is not the main text
            return candidate
    return whole


def _layout_tables(source: str) -> frozenset[int]:
    """Where the tables begin that hold other tables: they lay out the page and are no data."""
    found: set[int] = set()
    open_tables: list[int] = []
    for tag in _TABLE.finditer(source):
        if not tag[1]:
            found.update(open_tables[-1:])
            open_tables.append(tag.start())
        elif open_tables:
            open_tables.pop()
    return frozenset(found)


@dataclass(slots=True)
class _Walk:
    """Turns the visible parts of a serialised page into blocks of text."""

    writer: Writer
    inline: list[str] = field(default_factory=list)  # the pieces of the block being collected
    row: list[str] | None = None  # the cells of the table row being collected
    tables: list[bool] = field(default_factory=list)  # of the open tables: whether each holds data
    lists: list[int | None] = field(default_factory=list)  # of the open lists: next number, None for bullets
    prefix: str = ""  # of the list item being collected
    separator: str = "\n\n"
    heading: int | None = None  # the level of the heading being collected
    preformatted: int = 0

    def run(self, source: str) -> None:
        """Walk through the whole page."""
        layout = _layout_tables(source)
        skipped = 0  # depth inside something that is not shown
        for token in _TOKEN.finditer(source):
            closed, opened, attributes, text = token.groups()
            if text is not None:
                if not skipped:
                    self.inline.append(unescape(text) if "&" in text else text)
            elif skipped:
                skipped += (opened is not None and opened not in _VOID) - (closed is not None)
            elif closed is not None:
                self._leave(closed)
            elif opened in _SKIPPED or (attributes and _HIDDEN.search(attributes)):
                skipped = int(opened not in _VOID)
            elif opened == "table" and self.row is None:
                self._flush()
                self.tables.append(token.start() not in layout)
            elif opened is not None:
                self._enter(opened, attributes)
        self._flush()

    def _enter(self, tag: str, attributes: str) -> None:  # noqa: C901 - one branch per kind of element
        if tag == "br":
            self.inline.append(" " if self._in_cell() else _BREAK)
        elif tag == "img":
            if alt := _ALT.search(attributes):
                self.inline.append(f" {unescape(alt[1])} ")
        elif tag not in _BLOCKS and tag not in _HEADINGS:
            return
        elif self._in_cell():
            self.inline.append(" ")
        else:
            self._flush()
            if tag in _HEADINGS:
                self.heading = _HEADINGS[tag]
            elif tag == "pre":
                self.preformatted += 1
            elif tag == "tr" and self.tables and self.tables[-1]:
                self.row = []
            elif tag in {"ul", "ol"}:
                self.lists.append(1 if tag == "ol" else None)
            elif tag == "li":
                self._begin_item()

    def _leave(self, tag: str) -> None:  # noqa: C901 - one branch per kind of element
        if tag not in _BLOCKS and tag not in _HEADINGS:
            return
        if self.row is not None and tag in {"td", "th"}:
            self.row.append(one_line("".join(self.inline)))
            self.inline.clear()
        elif self.row is not None and tag in {"tr", "table"}:
            self._end_row()
        if self._in_cell():
            self.inline.append(" ")
            return
        self._flush()
        if tag in _HEADINGS:
            self.heading = None
        elif tag == "pre":
            self.preformatted = max(0, self.preformatted - 1)
        elif tag == "table" and self.tables:
            self.tables.pop()
            self.separator = "\n\n"
        elif tag in {"ul", "ol"} and self.lists:
            self.lists.pop()
            if not self.lists:
                self.separator = "\n\n"
        elif tag == "li":
            self.prefix = ""

    def _in_cell(self) -> bool:
        return self.row is not None

    def _begin_item(self) -> None:
        indent = "  " * min(max(0, len(self.lists) - 1), _MAX_INDENT)
        number = self.lists[-1] if self.lists else None
        if number is None:
            self.prefix = f"{indent}- "
        else:
            self.prefix = f"{indent}{number}. "
            self.lists[-1] = number + 1

    def _end_row(self) -> None:
        cells, self.row = self.row or [], None
        self.inline.clear()
        if any(cells):
            self.writer.write(" | ".join(cells), separator=self.separator)
            self.separator = "\n"

    def _flush(self) -> None:
        """Write the block collected so far."""
        if not self.inline:
            return
        text = "".join(self.inline)
        self.inline.clear()
        if self.preformatted:
            text = text.replace(_BREAK, "\n").strip("\n")
        elif _BREAK in text:
            text = "\n".join(filter(None, map(one_line, text.split(_BREAK))))
        else:
            text = one_line(text)
        if not text or text.isspace():
            return
        if self.heading:
            self.writer.heading(text, level=self.heading)
            self.separator = "\n\n"
            return
        self.writer.write(self.prefix + text, separator=self.separator)
        self.separator = "\n" if self.lists else "\n\n"
        self.prefix = "  " * min(len(self.lists), _MAX_INDENT)
