"""Check digits: they tell a card or account number from any other row of digits."""

from datetime import date

_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"


def is_luhn(digits: str) -> bool:
    """Tells whether a number has the check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004  cast out nines
    return total % 10 == 0 and len(set(digits)) > 1


def is_iban(text: str) -> bool:
    """Tells whether an account number has its check digits (ISO 13616-1: modulo 97)."""
    plain = "".join(text.split()).upper()
    return 15 <= len(plain) <= 34 and plain.isalnum() and int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1  # fmt: skip  # noqa: PLR2004


def is_ssn(digits: str) -> bool:
    """Tells whether the United States could have given this social security number (SSA, since 2011)."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def is_dni(text: str) -> bool:
    """Tells whether a Spanish DNI or NIE has its letter (modulo 23)."""
    plain = text.upper().replace("-", "")
    number = {"X": "0", "Y": "1", "Z": "2"}.get(plain[0], plain[0]) + plain[1:-1]
    return number.isdigit() and _DNI[int(number) % 23] == plain[-1]


def is_nir(text: str) -> bool:
    """Tells whether a French social security number has its key (97 less the number modulo 97)."""
    plain = "".join(text.split()).upper().replace("2A", "19").replace("2B", "18")
    return len(plain) == 15 and plain.isdigit() and 97 - int(plain[:13]) % 97 == int(plain[13:])  # noqa: PLR2004


def is_german_tax_id(digits: str) -> bool:
    """Tells whether a German tax number has its check digit and repeats as the law says (ISO 7064 MOD 11,10; BZSt)."""
    if digits[0] == "0" or max(digits[:10].count(each) for each in set(digits[:10])) not in {2, 3}:
        return False
    product = 10
    for each in digits[:10]:
        total = (int(each) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def is_pesel(digits: str) -> bool:
    """Tells whether a Polish PESEL has its check digit and names a day."""
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    if sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 10:
        return False
    month = int(digits[2:4])
    century = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[month // 20]
    try:
        date(century + int(digits[:2]), month % 20, int(digits[4:6]))
    except ValueError:
        return False
    return True
