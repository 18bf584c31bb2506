"""Finds secrets and personal data in text.

Shapes are published by those who give the secrets out (prefixes of GitHub, AWS, Google, Slack, Stripe and others, seen November
2026); numbers of people and accounts count only with right check digits. All patterns are RE2's: linear in the text.
"""

import bisect
import ipaddress
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alcove.gateway.guards import checksums
from alcove.gateway.guards.patterns import Pattern, compiled


class Sensitive(StrEnum):
    """What can be found."""

    SECRET = "secret"  # noqa: S105  a word for a kind
    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"
    CARD = "card"
    IP = "ip"
    NATIONAL_ID = "national_id"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something found.

    Attributes:
        kind: What it is.
        start: Where it begins.
        end: Just past its end.
    """

    kind: Sensitive
    start: int
    end: int


def _any(_: str) -> bool:
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Detector:
    kind: Sensitive
    pattern: Pattern
    is_right: Callable[[str], bool] = _any
    group: int = 0
    needs: str = ""  # what must be in the text for it to be looked at


def _digits(text: str) -> str:
    return "".join(each for each in text if each.isdigit())


def _is_ip(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False


def _is_phone(text: str) -> bool:
    return 8 <= len(_digits(text)) <= 15  # noqa: PLR2004  ITU-T E.164


def _is_card(text: str) -> bool:
    digits = _digits(text)
    return 13 <= len(digits) <= 19 and checksums.is_luhn(digits)  # noqa: PLR2004  ISO/IEC 7812-1


def _is_random(text: str) -> bool:
    """Tells whether a token looks drawn by lot: letters of both cases and digits, hardly any of them twice."""
    if not (any(map(str.isdigit, text)) and any(map(str.islower, text)) and any(map(str.isupper, text))):
        return False
    counts = Counter(text).values()
    return -sum(each / len(text) * math.log2(each / len(text)) for each in counts) >= 4.2  # noqa: PLR2004  bits a character


_S = Sensitive.SECRET
_KEYS = (
    r"sk-[A-Za-z0-9_-]{20,}", r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}", r"gh[pousr]_[A-Za-z0-9]{36,}",
    r"github_pat_[A-Za-z0-9_]{50,}", r"glpat-[A-Za-z0-9_-]{20,}", r"(?:AKIA|ASIA)[A-Z0-9]{16}", r"AIza[A-Za-z0-9_-]{35}",
    r"xox[abeprs]-[A-Za-z0-9-]{10,}", r"xapp-[A-Za-z0-9-]{20,}", r"hf_[A-Za-z0-9]{30,}", r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,}", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}", r"dop_v1_[a-f0-9]{64}", r"ya29\.[A-Za-z0-9_-]{20,}",
    r"gsk_[A-Za-z0-9]{40,}", r"pplx-[A-Za-z0-9]{40,}", r"r8_[A-Za-z0-9]{30,}", r"whsec_[A-Za-z0-9+/=]{24,}",
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
)  # fmt: skip

_DETECTORS = (
    _Detector(kind=_S, needs="PRIVATE KEY", pattern=compiled(
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s\\:,-]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\z)")),
    _Detector(kind=_S, needs="://", pattern=compiled(r"\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:/@\"'<>]*:[^\s/@\"'<>]+@[^\s\"'<>]+")),
    _Detector(kind=_S, pattern=compiled(rf"\b(?:{'|'.join(_KEYS)})")),
    _Detector(kind=_S, group=1, pattern=compiled(
        r"(?i)(?:passw(?:or)?d|passwort|secret|api[_-]?key|access[_-]?token|auth[_-]?token)[\"']?\s*[:=]\s*[\"']?([^\s\"',;<>]{8,200})")),
    _Detector(kind=_S, is_right=_is_random, pattern=compiled(r"\b[A-Za-z0-9+/_-]{32,200}={0,2}")),
    _Detector(kind=Sensitive.EMAIL, needs="@", pattern=compiled(
        r"[\pL\pN][\pL\pN._%+'-]*@(?:[\pL\pN-]+\.)+\pL{2,24}")),
    _Detector(kind=Sensitive.IBAN, is_right=checksums.is_iban, pattern=compiled(
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")),
    _Detector(kind=Sensitive.CARD, is_right=_is_card, pattern=compiled(r"\b[2-6]\d{3}(?:[ -]?\d{2,6}){2,4}\b")),
    _Detector(kind=Sensitive.NATIONAL_ID, is_right=lambda text: checksums.is_ssn(_digits(text)), needs="-", pattern=compiled(r"\b\d{3}-\d{2}-\d{4}\b")),
    _Detector(kind=Sensitive.NATIONAL_ID, is_right=checksums.is_dni, pattern=compiled(r"\b(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z]\b")),
    _Detector(kind=Sensitive.NATIONAL_ID, is_right=checksums.is_nir, pattern=compiled(
        r"\b[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b")),
    _Detector(kind=Sensitive.NATIONAL_ID, is_right=lambda text: checksums.is_german_tax_id(_digits(text)), pattern=compiled(
        r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b")),
    _Detector(kind=Sensitive.NATIONAL_ID, is_right=checksums.is_pesel, pattern=compiled(r"\b\d{11}\b")),
    _Detector(kind=Sensitive.IP, is_right=_is_ip, needs=".", pattern=compiled(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")),
    _Detector(kind=Sensitive.IP, is_right=_is_ip, needs=":", pattern=compiled(r"(?i)\b(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){0,7}")),
    _Detector(kind=Sensitive.PHONE, is_right=_is_phone, pattern=compiled(
        r"\+\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,6}\b|\b0\d{1,4}[ /-]\d{3,5}(?:[ -]?\d{2,5}){0,3}\b|\(\d{3}\) ?\d{3}-\d{4}\b|\b\d{3}-\d{3}-\d{4}\b")),
)  # fmt: skip


def findings(text: str, kinds: frozenset[Sensitive]) -> Sequence[Finding]:
    """Finds what is sensitive, in order, none within another: the earlier detector and the earlier place win."""
    taken: list[Finding] = []  # by place, none within another
    for each in _found(text, kinds):
        place = bisect.bisect_left(taken, each.end, key=lambda other: other.start)
        if place == 0 or taken[place - 1].end <= each.start:
            taken.insert(place, each)
    return taken


def _found(text: str, kinds: frozenset[Sensitive]) -> Iterator[Finding]:
    for detector in _DETECTORS:
        if detector.kind in kinds and detector.needs in text:
            for match in detector.pattern.finditer(text):
                start, end = match.span(detector.group)
                if start < end and detector.is_right(text[start:end]):
                    yield Finding(kind=detector.kind, start=start, end=end)
