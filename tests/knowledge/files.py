"""Makes documents for tests, byte by byte: small, exact, and as hostile as wanted."""

import io
import zipfile
import zlib
from collections.abc import Iterable

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT_WORD = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_STRICT_OFFICE = "http://purl.oclc.org/ooxml/officeDocument/relationships"


def pdf_objects(objects: Iterable[bytes], *, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, trailer, start)
    return bytes(out)


def _content(lines: Iterable[str]) -> bytes:
    shown = [b"(" + _escaped(line) + b") Tj 0 -14 Td" for line in lines]
    return b"BT /F1 11 Tf 60 760 Td " + b" ".join(shown) + b" ET"


def _escaped(text: str) -> bytes:
    return text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def stream(data: bytes, *, extra: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), extra, data)


def deflated(data: bytes) -> bytes:
    return stream(zlib.compress(data, 1), extra=b"/Filter /FlateDecode")


def pdf(pages: Iterable[Iterable[str]], *, bookmarks: Iterable[tuple[str, int]] = (), trailer: bytes = b"") -> bytes:
    """A PDF with one list of lines a page; bookmarks are titles with page indexes."""
    pages = [list(lines) for lines in pages]
    bookmarks = list(bookmarks)
    first_page = 4
    first_bookmark = first_page + 2 * len(pages)
    outlines = b"/Outlines %d 0 R" % first_bookmark if bookmarks else b""
    kids = b" ".join(b"%d 0 R" % (first_page + 2 * index) for index in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % outlines,
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for index, lines in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (first_page + 2 * index + 1)
        )
        objects.append(stream(_content(lines)))
    if bookmarks:
        numbers = range(first_bookmark + 1, first_bookmark + 1 + len(bookmarks))
        objects.append(
            b"<< /Type /Outlines /First %d 0 R /Last %d 0 R /Count %d >>" % (numbers[0], numbers[-1], len(bookmarks))
        )
        for number, (title, page) in zip(numbers, bookmarks, strict=True):
            following = b"/Next %d 0 R" % (number + 1) if number != numbers[-1] else b""
            objects.append(
                b"<< /Title (%s) /Parent %d 0 R /Dest [%d 0 R /Fit] %s >>"
                % (_escaped(title), first_bookmark, first_page + 2 * page, following)
            )
    return pdf_objects(objects, trailer=trailer)


def encrypted_pdf() -> bytes:
    """A PDF whose password nobody knows: the check value fits none (RC4, 40 bit)."""
    trailer = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O (%s) /U (%s) /P -4 >> /ID [<00> <00>]" % (
        b"o" * 32,
        b"u" * 32,
    )
    return pdf([["secret"]], trailer=trailer)


def many_pages_pdf(count: int) -> bytes:
    """A PDF whose pages are all the same object."""
    return pdf_objects(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b"3 0 R " * count, count),
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
        ]
    )


def bomb_pdf(size: int) -> bytes:
    """A PDF with a page whose content is `size` bytes, deflated to a thousandth."""
    return pdf_objects(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            (
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
                b"/Resources << /Font << /F1 5 0 R >> >> >>"
            ),
            deflated(b"BT /F1 11 Tf " + b"(aaaaaaaaaaaaaaaaaaaaa) Tj " * (size // 27) + b" ET"),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
    )


def paragraph(text: str, *, style: str = "", properties: str = "") -> str:
    style = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f'<w:p><w:pPr>{style}{properties}</w:pPr><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def list_item(text: str, *, level: int = 0, number: int = 1) -> str:
    return paragraph(text, properties=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def table(rows: Iterable[Iterable[str]]) -> str:
    body = "".join("<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>" for row in rows)
    return f"<w:tbl>{body}</w:tbl>"


STYLES = (
    '<w:style w:type="paragraph" w:styleId="Ttl"><w:name w:val="Title"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Mine"><w:name w:val="My own"/><w:basedOn w:val="berschrift2"/></w:style>'
)
NUMBERING = (
    '<w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>'
    '<w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>'
)


def docx(
    body: str,
    *,
    strict: bool = False,
    footnotes: str = "",
    prolog: str = "",
    extra: Iterable[tuple[str, bytes]] = (),
) -> bytes:
    """A Word document with this body (WordprocessingML with the prefix `w`)."""
    word, office = (STRICT_WORD, _STRICT_OFFICE) if strict else (WORD, _OFFICE)
    package = "http://schemas.openxmlformats.org/package/2006/relationships"

    def part(root: str, inner: str, before: str = "") -> str:
        head = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>{before}'
        return f'{head}<w:{root} xmlns:w="{word}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">{inner}</w:{root}>'

    def relations(*pairs: tuple[str, str]) -> str:
        inner = "".join(
            f'<Relationship Id="r{number}" Type="{office}/{kind}" Target="{target}"/>'
            for number, (kind, target) in enumerate(pairs)
        )
        return f'<?xml version="1.0"?><Relationships xmlns="{package}">{inner}</Relationships>'

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("_rels/.rels", relations(("officeDocument", "word/document.xml")))
        archive.writestr(
            "word/_rels/document.xml.rels",
            relations(("styles", "styles.xml"), ("numbering", "numbering.xml"), ("footnotes", "/word/footnotes.xml")),
        )
        archive.writestr("word/styles.xml", part("styles", STYLES))
        archive.writestr("word/numbering.xml", part("numbering", NUMBERING))
        archive.writestr("word/footnotes.xml", part("footnotes", footnotes))
        archive.writestr("word/document.xml", part("document", f"<w:body>{body}</w:body>", prolog))
        for name, data in extra:
            archive.writestr(name, data)
    return out.getvalue()


def inflating_docx(size: int) -> bytes:
    """A Word document whose text part is `size` zero-cost bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as part:
            part.write(f'<w:document xmlns:w="{WORD}"><w:body><w:p><w:r><w:t>'.encode())
            piece = b"a " * 500_000
            for _ in range(size // len(piece)):
                part.write(piece)
            part.write(b"</w:t></w:r></w:p></w:body></w:document>")
    return out.getvalue()


def lying_docx(size: int) -> bytes:
    """As `inflating_docx`, but the archive's directory says that the part has ten bytes."""
    data = bytearray(inflating_docx(size))
    name = b"word/document.xml"
    directory = data.rindex(b"PK\x01\x02", 0, data.rindex(name))
    data[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    return bytes(data)
