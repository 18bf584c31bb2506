"""What the readers make of sound files. They run in this process here; `test_parsing_processes` has the limited ones."""

from pathlib import Path

import pytest

from alcove.knowledge.parsing import (
    DamagedDocument,
    EmptyFile,
    EncryptedDocument,
    NoTextLayer,
    ParsedDocument,
    ParseLimits,
    UnsupportedDocument,
    reading,
    sniff,
)
from alcove.knowledge.parsing.models import DOCX, HTML, MARKDOWN, PDF, PLAIN

from . import files

LIMITS = ParseLimits()


def read(tmp_path: Path, data: bytes, name: str) -> ParsedDocument:
    path = tmp_path / "blob"
    path.write_bytes(data)
    media_type, loaded = reading.load(path, name=name, limits=LIMITS)
    document = reading.read(media_type, loaded, name=name, limits=LIMITS)
    check(document)
    return document


def check(document: ParsedDocument) -> None:
    """What holds for every document."""
    assert document.text.strip()
    assert "\r" not in document.text
    assert "\x00" not in document.text
    at = 0
    for section in document.sections:
        assert section.start == at < section.end
        at = section.end
    assert at == len(document.text)
    before = 0
    for number, page in enumerate(document.pages, start=1):
        assert page.page == number
        assert before <= page.start <= page.end <= len(document.text)
        before = page.end


def headings(document: ParsedDocument) -> list[tuple[str, ...]]:
    return [section.headings for section in document.sections]


# --- PDF


def test_pdf_pages_have_exact_offsets(tmp_path: Path) -> None:
    document = read(tmp_path, files.pdf([["First page."], ["Second page.", "More."], [], ["Last."]]), "a.pdf")
    assert document.media_type == PDF
    assert document.page_count == 4
    assert [document.text[page.start : page.end] for page in document.pages] == [
        "First page.",
        "Second page.\nMore.",
        "",
        "Last.",
    ]
    assert document.warnings == ("1 of 4 pages have no text; they may be scans.",)


def test_pdf_joins_words_that_a_line_end_divided(tmp_path: Path) -> None:
    lines = [
        "It was a won-",
        "derful and well-",
        "known thing by Smith-",
        "Jones, in 1914-",
        "1918.",
        "A well-known one.",
    ]
    assert read(tmp_path, files.pdf([lines]), "a.pdf").text == (
        "It was a wonderful and well-known thing by Smith-Jones, in 1914-1918.\nA well-known one."
    )


def test_pdf_bookmarks_become_sections(tmp_path: Path) -> None:
    pages = [["Preface words.", "Introduction", "Text."], ["Running text.", "Methods", "More."]]
    document = read(tmp_path, files.pdf(pages, bookmarks=[("Introduction", 0), ("Methods", 1)]), "a.pdf")
    assert [(s.headings, document.text[s.start : s.end].split("\n")[0]) for s in document.sections] == [
        ((), "Preface words."),
        (("Introduction",), "Introduction"),
        (("Methods",), "Methods"),
    ]


def test_pdf_without_text_layer_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoTextLayer, match=r"'scan\.pdf'.*OCR"):
        read(tmp_path, files.pdf([[], []]), "scan.pdf")


def test_pdf_with_password_says_so(tmp_path: Path) -> None:
    with pytest.raises(EncryptedDocument, match=r"'secret\.pdf'.*password"):
        read(tmp_path, files.encrypted_pdf(), "secret.pdf")


def test_pdf_cut_off_is_damaged_or_read(tmp_path: Path) -> None:
    with pytest.raises(DamagedDocument, match="Save it again"):
        read(tmp_path, b"%PDF-1.7\nnothing else", "a.pdf")


# --- DOCX

BODY = (
    files.paragraph("My report", style="Ttl")
    + files.paragraph("First &amp; foremost", style="berschrift1")
    + files.paragraph("Words é here.")
    + files.list_item("apples")
    + files.list_item("green", level=1)
    + files.list_item("one", number=2)
    + files.list_item("two", number=2)
    + files.table([["Name", "Size"], ["cat", "small"]])
    + files.paragraph("Deeper", style="Mine")
    + files.paragraph("The end.")
)


@pytest.mark.parametrize("strict", [False, True])
def test_docx_keeps_structure(tmp_path: Path, strict: bool) -> None:
    document = read(tmp_path, files.docx(BODY, strict=strict), "a.docx")
    assert document.media_type == DOCX
    assert document.text == (
        "My report\n\nFirst & foremost\n\nWords é here.\n\n- apples\n  - green\n1. one\n2. two\n\n"
        "Name | Size\ncat | small\n\nDeeper\n\nThe end."
    )
    assert headings(document) == [
        ("My report",),
        ("My report", "First & foremost"),
        ("My report", "First & foremost", "Deeper"),
    ]


def test_docx_notes_follow_their_paragraph(tmp_path: Path) -> None:
    body = '<w:p><w:r><w:t>A claim.</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>' + files.paragraph(
        "Next."
    )
    notes = f'<w:footnote w:id="2">{files.paragraph("Its proof.")}</w:footnote>'
    assert read(tmp_path, files.docx(body, footnotes=notes), "a.docx").text == "A claim.\n\n[Note: Its proof.]\n\nNext."


def test_docx_leaves_out_what_is_not_shown(tmp_path: Path) -> None:
    body = (
        "<w:p><w:r><w:t>Seen</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
        "<w:del><w:r><w:delText>deleted</w:delText><w:t>gone</w:t></w:r></w:del>"
        "<w:ins><w:r><w:t> and added</w:t></w:r></w:ins>"
        "<mc:AlternateContent><mc:Choice><w:r><w:t> once</w:t></w:r></mc:Choice>"
        "<mc:Fallback><w:r><w:t> twice</w:t></w:r></mc:Fallback></mc:AlternateContent>"
        "<w:r><w:instrText>PAGEREF</w:instrText></w:r></w:p>"
    )
    assert read(tmp_path, files.docx(body), "a.docx").text == "Seen and added once"


def test_docx_text_box_and_nested_table_are_read(tmp_path: Path) -> None:
    box = "<w:r><w:txbxContent>" + files.paragraph("In the box.") + "</w:txbxContent></w:r>"
    inner = "<w:tbl><w:tr><w:tc>" + files.table([["x", "y"]]) + files.paragraph("z") + "</w:tc></w:tr></w:tbl>"
    text = read(tmp_path, files.docx(f"<w:p>{box}<w:r><w:t>Outside.</w:t></w:r></w:p>{inner}"), "a.docx").text
    assert text == "In the box.\n\nOutside.\n\nx | y z"


def test_docx_without_text_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile, match="no text"):
        read(tmp_path, files.docx("<w:p/>"), "a.docx")


# --- HTML


def test_html_keeps_what_a_reader_sees(tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title>Cats &amp; dogs</title><style>p{}</style></head><body>
    <nav><a href="/">Home</a></nav><script>alert("<p>no</p>")</script>
    <h1>About cats</h1><p>Cats <b>pu</b>rr.<br>They &lt;3 you.</p>
    <ul><li>eat</li><li>sleep<ul><li>long</li></ul></li></ul><ol><li>first</li><li>second</li></ol>
    <table><caption>Sizes</caption><tr><th>Name</th><th>Size</th></tr><tr><td>Tom</td><td><p>big</p></td></tr></table>
    <h2>More</h2><p>See <a href="https://example.org">the link</a>.</p><pre>  a\n    b</pre>
    <p hidden>hidden</p><p style="display: none">invisible</p><footer>Imprint</footer></body></html>"""
    document = read(tmp_path, page.encode(), "page.html")
    assert document.title == "Cats & dogs"
    assert document.media_type == HTML
    assert document.text == (
        "Cats & dogs\n\nAbout cats\n\nCats purr.\nThey <3 you.\n\n- eat\n- sleep\n  - long\n\n1. first\n2. second\n\n"
        "Sizes\n\nName | Size\nTom | big\n\nMore\n\nSee the link.\n\n  a\n    b"
    )
    assert headings(document) == [(), ("About cats",), ("About cats", "More")]


def test_html_prefers_a_filled_main(tmp_path: Path) -> None:
    words = "word " * 30
    page = f"<body><div>Advertisement</div><main><h1>Title</h1><p>{words}</p></main><div>Related</div></body>"
    text = read(tmp_path, page.encode(), "page.html").text
    assert "Advertisement" not in text
    assert text.startswith("Title")


def test_html_layout_tables_are_no_data(tmp_path: Path) -> None:
    page = "<table><tr><td>Menu</td><td><p>Text.</p><table><tr><td>a</td><td>b</td></tr></table></td></tr></table>"
    assert read(tmp_path, page.encode(), "page.html").text == "Menu\n\nText.\n\na | b"


def test_html_by_content_whatever_its_name(tmp_path: Path) -> None:
    assert read(tmp_path, b"<!-- x --><!DOCTYPE html><p>Hi there", "page.txt").media_type == HTML


def test_html_declared_encoding_is_used(tmp_path: Path) -> None:
    page = '<meta charset="iso-8859-7"><p>Αθήνα'.encode("iso-8859-7")
    assert read(tmp_path, page, "page.html").text == "Αθήνα"


def test_html_of_many_unclosed_items_is_not_deep(tmp_path: Path) -> None:
    assert read(tmp_path, b"<ul>" + b"<li><p>x" * 5_000, "page.html").text.count("- x") == 5_000


# --- Markdown and plain text


def test_markdown_stays_as_written_with_sections(tmp_path: Path) -> None:
    source = "# One\n\nText.\n\n```sh\n# no heading\n```\n\n## Two [link](http://x) `code` ##\n\nMore.\n\nThree\n=====\n\nEnd.\n"
    document = read(tmp_path, source.encode(), "a.md")
    assert document.text == source.strip()
    assert headings(document) == [("One",), ("One", "Two link code"), ("Three",)]
    assert document.media_type == MARKDOWN


def test_markdown_front_matter_gives_the_title(tmp_path: Path) -> None:
    document = read(tmp_path, b'---\ntitle: "My page"\ntags: [a]\n---\n\nText.\n', "a.md")
    assert (document.title, document.text) == ("My page", "Text.")


def test_markdown_list_or_rule_is_no_heading(tmp_path: Path) -> None:
    assert headings(read(tmp_path, b"- item\n---\n\ntext\n\n---\nmore\n#hashtag\n", "a.md")) == [()]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_plain_text_in_every_unicode_encoding(tmp_path: Path, codec: str) -> None:
    document = read(tmp_path, "Grüße an alle,\r\nhere too.".encode(codec), "a.txt")
    assert (document.text, document.media_type, document.warnings) == ("Grüße an alle,\nhere too.", PLAIN, ())


def test_plain_text_in_windows_encoding_is_read_with_a_warning(tmp_path: Path) -> None:
    document = read(tmp_path, "“Grüße” für 5 €".encode("cp1252"), "a.txt")
    assert document.text == "“Grüße” für 5 €"
    assert "Windows-1252" in document.warnings[0]


# --- What a file is


@pytest.mark.parametrize("data", [b"", b" \n\t ", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.md", "a.pdf", "a.docx"])
def test_empty_file_says_so(tmp_path: Path, data: bytes, name: str) -> None:
    with pytest.raises((EmptyFile, DamagedDocument), match=name):
        read(tmp_path, data, name)


def test_empty_bytes_are_an_empty_file_whatever_the_name(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    for name in ("a.txt", "a.pdf", "a.docx", "a"):
        with pytest.raises(EmptyFile):
            sniff(tmp_path / "x", name)


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (files.pdf([["x"]]), "a.txt", PDF),
        (b"\n\n" + files.pdf([["x"]]), "a.bin", PDF),
        (files.docx("<w:p/>"), "a.doc", DOCX),
        (b"About %PDF- files.", "a.txt", PLAIN),
        (b"# x", "README.MD", MARKDOWN),
        (b"BZh is a signature", "notes", PLAIN),
        (b"<p>x", "a.htm", HTML),
        (b'<?xml version="1.0"?>\n<html>', "a.xml", HTML),
        (b"<!---->" * 1_100 + b"x", "a.txt", PLAIN),
    ],
)
def test_content_decides_what_a_file_is(tmp_path: Path, data: bytes, name: str, expected: str) -> None:
    (tmp_path / "x").write_bytes(data)
    assert sniff(tmp_path / "x", name) == expected


@pytest.mark.parametrize(
    ("data", "name", "error", "words"),
    [
        (b"plain words", "a.pdf", DamagedDocument, "PDF"),
        (b"plain words", "a.docx", DamagedDocument, "DOCX"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a.txt", UnsupportedDocument, "PNG"),
        (b"{\\rtf1 hello}", "a.txt", UnsupportedDocument, "RTF"),
        (b"a\x00b\x01\x02", "a.txt", UnsupportedDocument, "binary"),
        (b"\x80\x04\x95\x0b\x00\x00\x00", "model.pt", UnsupportedDocument, "pickle"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "a.doc", UnsupportedDocument, "2007"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "a.docx", EncryptedDocument, "password"),
        (b"PK\x03\x04 xl/workbook.xml", "a.docx", UnsupportedDocument, "Excel"),
        (b"PK\x03\x04 some.txt", "a.zip", UnsupportedDocument, "ZIP"),
        (b"PK\x03\x04" + b"\x00" * 26 + b"mimetypeapplication/epub+zip", "a.epub", UnsupportedDocument, "EPUB"),
        (b"\x00" * 9_000, "a.txt", UnsupportedDocument, "binary"),
    ],
)
def test_other_files_are_refused_by_name(
    tmp_path: Path, data: bytes, name: str, error: type[Exception], words: str
) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(error, match=f"'{name}'.*{words}"):
        sniff(tmp_path / "x", name)
