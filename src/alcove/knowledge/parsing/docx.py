"""Reads Word documents (ECMA-376, transitional and strict) with the standard library alone: zipfile and expat.

Only the parts that hold text are inflated, in small pieces, and what they may hold together is limited twice: by the size
that the archive declares and by the bytes that really come out. Any document type declaration is refused, so there are no
entities to expand and nothing to fetch.
"""

import io
import posixpath
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from alcove.knowledge.parsing.errors import DamagedDocument, DocumentTooLarge, EncryptedDocument
from alcove.knowledge.parsing.models import DOCX, ParsedDocument, ParseLimits
from alcove.knowledge.parsing.writing import Writer, one_line

_PIECE: Final = 1 << 16
_MAX_DEPTH: Final = 1_000
_MEGABYTE: Final = 1_000_000
_FILE_KIND: Final = 0o170000
_SYMBOLIC_LINK: Final = 0o120000
_WORD_NAMESPACES: Final = {
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
}
_HEADING_LEVELS: Final = 9
_Attributes = dict[str, str]
_Start = Callable[[str, _Attributes], None]
_End = Callable[[str], None]
_Text = Callable[[str], None]


def read_docx(data: bytes, *, name: str, limits: ParseLimits) -> ParsedDocument:
    """The document's paragraphs, headings by their style, lists, tables row by row, and notes after their paragraph.

    Raises:
        DamagedDocument: It is no archive, no Word document, or holds what no Word document holds.
        DocumentTooLarge: Its parts are larger than `limits` allows.
        EncryptedDocument: Its parts are behind a password.
    """
    try:
        archive = _Archive(zipfile.ZipFile(io.BytesIO(data)), name=name, limits=limits)
        writer = Writer(name=name, limits=limits)
        main = archive.main_part()
        styles = _Styles()
        numbering = _Numbering()
        related = archive.related(main)
        archive.walk(related.get("styles"), styles.start, styles.end)
        archive.walk(related.get("numbering"), numbering.start, numbering.end)
        body = _Body(writer=writer, levels=styles.levels(), numbering=numbering)
        for kind in ("footnotes", "endnotes"):
            notes = _Body(writer=writer, levels={}, numbering=numbering, note_kind=kind[:-1])
            archive.walk(related.get(kind), notes.start, notes.end, notes.characters)
            body.notes.update(notes.notes)
        archive.walk(main, body.start, body.end, body.characters)
        body.finish()
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        NotImplementedError,
        UnicodeDecodeError,
        OSError,
    ) as error:
        message = (
            f"{name!r} is damaged: {_reason(error)}. Open it in Word or LibreOffice, save it again and upload the copy."
        )
        raise DamagedDocument(message) from error
    except expat.ExpatError as error:
        message = f"{name!r} is damaged: its text is not well-formed XML. Save it again as DOCX and upload the copy."
        raise DamagedDocument(message) from error
    return writer.finish(DOCX)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return "a part that it needs is missing"
    return "its archive cannot be read"


class _Archive:
    """The parts of the document, inflated under the limits."""

    def __init__(self, archive: zipfile.ZipFile, *, name: str, limits: ParseLimits) -> None:
        self._archive = archive
        self._name = name
        self._limits = limits
        self._inflated = 0
        self._check()

    def _check(self) -> None:
        parts = self._archive.infolist()
        if len(parts) > self._limits.max_entries:
            self._too_large(f"has {len(parts):,} parts; {self._limits.max_entries:,} are allowed")
        total = 0
        for part in parts:
            total += part.file_size
            if part.flag_bits & 0x1:
                message = f"{self._name!r} is protected by a password; save a copy without one and upload that."
                raise EncryptedDocument(message)
            if part.filename.startswith(("/", "\\")) or ".." in part.filename.replace("\\", "/").split("/"):
                self._damaged("it holds a part whose name leads out of it")
            if (part.external_attr >> 16) & _FILE_KIND == _SYMBOLIC_LINK:
                self._damaged("it holds a symbolic link")
            if part.file_size > max(_MEGABYTE, part.compress_size * self._limits.max_inflation_ratio):
                self._too_large(
                    f"holds a part that unpacks to more than {self._limits.max_inflation_ratio} times its size"
                )
        if total > self._limits.max_inflated_bytes:
            self._too_large(f"unpacks to {total:,} bytes; {self._limits.max_inflated_bytes:,} are allowed")

    def _too_large(self, what: str) -> None:
        message = f"{self._name!r} {what}. Split it into smaller documents."
        raise DocumentTooLarge(message)

    def _damaged(self, why: str) -> None:
        message = f"{self._name!r} is not a sound Word document: {why}. Save it again as DOCX and upload the copy."
        raise DamagedDocument(message)

    def _pieces(self, part: str) -> Iterator[bytes]:
        with self._archive.open(part) as file:
            while piece := file.read(_PIECE):
                self._inflated += len(piece)
                if self._inflated > self._limits.max_inflated_bytes:
                    self._too_large(f"unpacks to more than {self._limits.max_inflated_bytes:,} bytes")
                yield piece

    def main_part(self) -> str:
        """The part that holds the text, as the package's relationships name it."""
        main = self.related("").get("officeDocument", "word/document.xml")
        if main not in self._archive.namelist():
            self._damaged("it holds no text part")
        return main

    def related(self, part: str) -> dict[str, str]:
        """The parts that `part` refers to, by the last word of the relationship's type."""
        folder, _, file = part.rpartition("/")
        relations = posixpath.join(folder, "_rels", f"{file}.rels")
        found: dict[str, str] = {}
        if relations not in self._archive.namelist():
            return found

        def start(tag: str, attributes: _Attributes) -> None:
            if tag.endswith(" Relationship") and attributes.get("TargetMode") != "External":
                target = attributes.get("Target", "")
                path = (
                    target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
                )
                found.setdefault(attributes.get("Type", "").rpartition("/")[2], path)

        self.walk(relations, start, lambda _tag: None)
        return found

    def walk(self, part: str | None, start: _Start, end: _End, text: _Text | None = None) -> None:
        """Send a part's elements through the handlers; element names come as `namespace local`."""
        if part is None or part not in self._archive.namelist():
            return
        parser = expat.ParserCreate(namespace_separator=" ")
        depth = 0

        def begin(tag: str, attributes: _Attributes) -> None:
            nonlocal depth
            depth += 1
            if depth > _MAX_DEPTH:
                self._damaged(f"its elements nest more than {_MAX_DEPTH:,} deep")
            start(tag, attributes)

        def finish(tag: str) -> None:
            nonlocal depth
            depth -= 1
            end(tag)

        def doctype(*_: object) -> None:
            self._damaged("it declares a document type, which Word documents never do")

        parser.StartElementHandler = begin
        parser.EndElementHandler = finish
        parser.StartDoctypeDeclHandler = doctype
        if text is not None:
            parser.CharacterDataHandler = text
        parser.buffer_text = True
        for piece in self._pieces(part):
            parser.Parse(piece, False)  # noqa: FBT003 - expat's own signature
        parser.Parse(b"", True)  # noqa: FBT003


def _word(tag: str) -> str:
    """The local name of an element of WordprocessingML; other vocabularies keep their namespace."""
    namespace, _, local = tag.rpartition(" ")
    return local if namespace in _WORD_NAMESPACES else tag


def _value(attributes: _Attributes, key: str = "val") -> str:
    for name, value in attributes.items():
        if name == key or name.endswith(f" {key}"):
            return value
    return ""


def _is_on(attributes: _Attributes) -> bool:
    return _value(attributes) not in {"0", "false", "off"}


@dataclass(slots=True)
class _Styles:
    """Which paragraph styles are headings: by name (`heading 2`, the same in every language) or by outline level."""

    own: dict[str, int] = field(default_factory=dict)
    based_on: dict[str, str] = field(default_factory=dict)
    current: str = ""

    def start(self, tag: str, attributes: _Attributes) -> None:
        """Take note of a style, its name, its outline level and what it is based on."""
        match _word(tag):
            case "style":
                self.current = _value(attributes, "styleId")
            case "name" if self.current:
                name = _value(attributes).lower()
                if name == "title":
                    self.own[self.current] = 0
                elif name.startswith("heading ") and name[8:].isdecimal():
                    self.own[self.current] = int(name[8:9])
            case "outlineLvl" if self.current:
                level = _value(attributes)
                if level.isdecimal() and int(level) < _HEADING_LEVELS:
                    self.own.setdefault(self.current, int(level) + 1)
            case "basedOn" if self.current:
                self.based_on[self.current] = _value(attributes)

    def end(self, tag: str) -> None:
        """Leave a style."""
        if _word(tag) == "style":
            self.current = ""

    def levels(self) -> dict[str, int]:
        """Heading level by style id, inherited ones included."""
        found = dict(self.own)
        for style in self.based_on:
            base, seen = style, set[str]()
            while base not in found and base in self.based_on and base not in seen:
                seen.add(base)
                base = self.based_on[base]
            if base in found:
                found[style] = found[base]
        return found


@dataclass(slots=True)
class _Numbering:
    """Which lists are numbered, and how far each has counted."""

    bullets: dict[tuple[str, str], bool] = field(default_factory=dict)  # (abstract list, level)
    abstract: dict[str, str] = field(default_factory=dict)  # list -> abstract list
    counts: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    here: list[str] = field(default_factory=lambda: ["", "", ""])  # open abstractNum, lvl, num

    def start(self, tag: str, attributes: _Attributes) -> None:
        """Take note of a list, a level's format, or which abstract list a list uses."""
        match _word(tag):
            case "abstractNum":
                self.here[0] = _value(attributes, "abstractNumId")
            case "lvl":
                self.here[1] = _value(attributes, "ilvl")
            case "numFmt":
                self.bullets[self.here[0], self.here[1]] = _value(attributes) in {"bullet", "none"}
            case "num":
                self.here[2] = _value(attributes, "numId")
            case "abstractNumId":
                self.abstract[self.here[2]] = _value(attributes)

    def end(self, tag: str) -> None:
        """Nothing to do."""

    def label(self, number: str, level: int) -> str:
        """What stands before the next item of a list: a dash or its number."""
        if self.bullets.get((self.abstract.get(number, ""), str(level)), True):
            return "- "
        for deeper in range(level + 1, _HEADING_LEVELS + 1):
            self.counts.pop((number, deeper), None)
        self.counts[number, level] += 1
        return f"{self.counts[number, level]}. "


@dataclass(slots=True)
class _Paragraph:
    """A paragraph being collected; text boxes hold paragraphs inside paragraphs."""

    pieces: list[str] = field(default_factory=list)
    style: str = ""
    outline: int | None = None
    list_id: str = ""
    list_level: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Body:
    """Turns the elements of a text part into blocks."""

    writer: Writer
    levels: dict[str, int]
    numbering: _Numbering
    note_kind: str = ""  # "footnote" or "endnote" where such a part is read: its notes are kept, not written
    notes: dict[str, str] = field(default_factory=dict)  # "footnote:3" -> text
    note: str = ""
    note_pieces: list[str] = field(default_factory=list)
    paragraphs: list[_Paragraph] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)  # of the open tables, the cells of the open row
    cells: list[list[str]] = field(default_factory=list)  # of the open cells, the paragraphs
    pending: list[str] = field(default_factory=list)  # labels of notes to write after the paragraph or table
    is_text: bool = False
    is_hidden: bool = False  # of the open run
    in_properties: int = 0
    skipped: int = 0  # depth inside something that is not shown
    in_list: bool = False
    separator: str = "\n\n"

    def start(self, tag: str, attributes: _Attributes) -> None:
        """Take an element's start."""
        word = _word(tag)
        if self.skipped or word in {"del", "moveFrom"} or tag.endswith("markup-compatibility/2006 Fallback"):
            self.skipped += 1
            return
        paragraph = self.paragraphs[-1] if self.paragraphs else None
        match word:
            case "p":
                self.paragraphs.append(_Paragraph())
            case "tbl":
                self.rows.append([])
            case "tr" if self.rows:
                self.rows[-1] = []
            case "tc" if self.rows:
                self.cells.append([])
            case "footnote" | "endnote":
                self.note = f"{self.note_kind}:{_value(attributes, 'id')}"
                self.note_pieces.clear()
            case "r":
                self.is_hidden = False
            case _ if paragraph is not None:
                self._inside(word, attributes, paragraph)

    def _inside(self, word: str, attributes: _Attributes, paragraph: _Paragraph) -> None:  # noqa: C901
        match word:
            case "pStyle":
                paragraph.style = _value(attributes)
            case "outlineLvl":
                level = _value(attributes)
                paragraph.outline = int(level) + 1 if level.isdecimal() and int(level) < _HEADING_LEVELS else None
            case "numId":
                paragraph.list_id = _value(attributes)
            case "ilvl":
                level = _value(attributes)
                paragraph.list_level = min(int(level), _HEADING_LEVELS) if level.isdecimal() else 0
            case "pPr":
                self.in_properties += 1
            case "vanish" | "webHidden" if not self.in_properties:
                self.is_hidden = _is_on(attributes)
            case "t":
                self.is_text = True
            case "tab" | "ptab" if not self.in_properties:
                paragraph.pieces.append("\t")
            case "br" | "cr":
                paragraph.pieces.append("\n")
            case "noBreakHyphen":
                paragraph.pieces.append("-")
            case "footnoteReference" | "endnoteReference":
                label = f"{word.removesuffix('Reference')}:{_value(attributes, 'id')}"
                if label in self.notes:
                    paragraph.notes.append(label)

    def end(self, tag: str) -> None:  # noqa: C901 - one case per kind of element
        """Take an element's end."""
        if self.skipped:
            self.skipped -= 1
            return
        match _word(tag):
            case "t":
                self.is_text = False
            case "r":
                self.is_hidden = False
            case "pPr":
                self.in_properties = max(0, self.in_properties - 1)
            case "p" if self.paragraphs:
                self._end_paragraph(self.paragraphs.pop())
            case "tc" if self.cells:
                self._end_cell(one_line(" ".join(self.cells.pop())))
            case "tr" if self.rows:
                self._end_row()
            case "tbl" if self.rows:
                self.rows.pop()
                self.separator = "\n\n"
                if not self.rows:
                    self._write_notes()
            case "footnote" | "endnote" if self.note:
                self.notes[self.note] = one_line(" ".join(self.note_pieces))
                self.note = ""

    def characters(self, text: str) -> None:
        """Take the text inside an element."""
        if self.is_text and not self.skipped and not self.is_hidden and self.paragraphs:
            self.paragraphs[-1].pieces.append(text)

    def finish(self) -> None:
        """Write what is still open in a document that ends early."""
        while self.paragraphs:
            self._end_paragraph(self.paragraphs.pop())
        self._write_notes()

    def _end_paragraph(self, paragraph: _Paragraph) -> None:
        for label in paragraph.notes:
            paragraph.pieces.append("")
            self.pending.append(label)
        text = "".join(paragraph.pieces).replace("\xad", "")
        if self.note:
            self.note_pieces.append(text)
        elif self.cells:
            self.cells[-1].append(text)
        elif text.strip():
            self._write_paragraph(paragraph, text.strip())
            self._write_notes()

    def _write_paragraph(self, paragraph: _Paragraph, text: str) -> None:
        level = paragraph.outline if paragraph.outline is not None else self.levels.get(paragraph.style)
        if level is not None:
            self.writer.heading(text, level=level)
            self.in_list, self.separator = False, "\n\n"
        elif paragraph.list_id not in {"", "0"}:
            label = self.numbering.label(paragraph.list_id, paragraph.list_level)
            separator = "\n" if self.in_list else "\n\n"
            self.writer.write("  " * paragraph.list_level + label + text, separator=separator)
            self.in_list, self.separator = True, "\n\n"
        else:
            self.writer.write(text, separator=self.separator)
            self.in_list, self.separator = False, "\n\n"

    def _end_cell(self, text: str) -> None:
        if self.rows:
            self.rows[-1].append(text)

    def _end_row(self) -> None:
        cells, self.rows[-1] = self.rows[-1], []
        if not any(cells):
            return
        line = " | ".join(cells)
        if self.cells:  # a table inside a cell
            self.cells[-1].append(line)
        elif self.note:
            self.note_pieces.append(line)
        else:
            self.writer.write(line, separator=self.separator)
            self.in_list, self.separator = False, "\n"

    def _write_notes(self) -> None:
        if self.note or self.note_kind:
            return
        for label in self.pending:
            if text := self.notes.get(label):
                self.writer.write(f"[Note: {text}]")
        self.pending.clear()
