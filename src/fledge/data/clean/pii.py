"""What points to a person, replaced by a tag: `<EMAIL> <PHONE> <ID_CARD> <CREDIT_CARD> <IP> <API_KEY>`.

Only what its own form proves is masked, so that numbers in mathematics, dates and versions stay: a Chinese identity
number needs a province, a date of birth and the check digit (GB 11643, ISO 7064 MOD 11-2), a credit card an issuer's
prefix, its length and Luhn's check digit. Names and street addresses are not found this way; nothing here finds them.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from datetime import date

EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,24}(?![\w-])", re.A
)
MOBILE = re.compile(r"(?<![\w.+-])(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:\d{8}|[ -]\d{4}[ -]\d{4})(?![\w-]|\.\d)", re.A)
IDENTITY = re.compile(r"(?<![\w.])[1-8]\d{16}[\dXx](?![\w]|\.\d)", re.A)
CARD = re.compile(
    r"(?<![\w.-])[3-6]\d{3}(?:\d{9,15}|(?:[ -]\d{4}){2,3}[ -]?\d{1,4}|[ -]\d{6}[ -]\d{5})(?![\w-]|\.\d)", re.A
)
ADDRESS = re.compile(r"(?<![\w.])(?<!v)(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)", re.A)
KEY = re.compile(
    r"(?<![\w-])(?:sk-[A-Za-z0-9_-]{20,200}|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{60,100}|hf_[A-Za-z0-9]{30,50}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|xox[abprs]-[A-Za-z0-9-]{20,100}|LTAI[A-Za-z0-9]{12,26}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})(?![\w-])"
    r"|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.*?-----END [A-Z ]{0,20}PRIVATE KEY-----",
    re.A | re.S,
)
NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
DIGITS = re.compile(r"\d{3}[\d .-]{3}", re.A)  # without it no number below can be there
KEY_SIGNS = (
    "sk-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "hf_",
    "AKIA",
    "ASIA",
    "AIza",
    "xox",
    "LTAI",
    "eyJ",
    "-----B",
)
FOUR_PARTS = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d", re.A)

PROVINCES = frozenset(
    str(code)
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83))
    for code in range(first, last + 1)
)
EXAMPLES = ("example.com", "example.org", "example.net", "test.com")  # addresses that were written as placeholders


def mask(text: str, found: Counter[str] | None = None) -> str:
    """The text with tags in the place of what was found; `found` counts them by tag."""
    found = found if found is not None else Counter()
    if "@" in text:
        text = _replace(EMAIL, text, "<EMAIL>", _is_email, found)
    if any(sign in text for sign in KEY_SIGNS):
        text = _replace(KEY, text, "<API_KEY>", _is_key, found)
    if len(text.encode("utf-8", "replace").translate(None, NO_DIGITS)) < 6:  # then none of the numbers below is there
        return text
    if DIGITS.search(text):
        text = _replace(IDENTITY, text, "<ID_CARD>", is_identity, found)
        text = _replace(CARD, text, "<CREDIT_CARD>", is_card, found)
        text = _replace(MOBILE, text, "<PHONE>", lambda _: True, found)
    if FOUR_PARTS.search(text):
        text = _replace(ADDRESS, text, "<IP>", _is_public_address, found)
    return text


def _replace(pattern: re.Pattern[str], text: str, tag: str, holds: Callable[[str], bool], found: Counter[str]) -> str:
    def one(match: re.Match[str]) -> str:
        if not holds(match[0]):
            return match[0]
        found[tag] += 1
        return tag

    return pattern.sub(one, text)


def is_identity(number: str) -> bool:
    """An 18-digit Chinese identity number: province, date of birth, check digit."""
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    if number[:2] not in PROVINCES or not 1900 <= born.year <= 2100:
        return False
    total = sum(int(digit) * pow(2, 17 - at, 11) for at, digit in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()


def is_card(number: str) -> bool:
    """A payment card: issuer and length (ISO/IEC 7812), then Luhn's check digit."""
    digits = re.sub(r"\D", "", number)
    head, length = int(digits[:4]), len(digits)
    issuer = (
        (digits[0] == "4" and length in (13, 16, 19))
        or ((5100 <= head <= 5599 or 2221 <= head <= 2720) and length == 16)
        or (digits[:2] in ("34", "37") and length == 15)
        or (digits[:2] == "62" and 16 <= length <= 19)
        or (digits[:2] in ("60", "64", "65", "35") and length == 16)
    )
    doubled = [int(d) * (2 if at % 2 else 1) for at, d in enumerate(reversed(digits))]
    return issuer and sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _is_email(address: str) -> bool:
    return not address.lower().rpartition("@")[2].endswith(EXAMPLES)


def _is_public_address(address: str) -> bool:
    """Of the open internet; two parts of two digits at least, since 3.1.4.3 may be a chapter, a version or a set of teeth."""
    try:
        public = ipaddress.IPv4Address(address).is_global
    except ValueError:  # a part above 255, or with a leading zero
        return False
    return public and sum(len(part) > 1 for part in address.split(".")) >= 2


def _is_key(key: str) -> bool:
    """A key is drawn at random: it has digits and letters, which `sk-your-secret-key-goes-here` has not."""
    return key.startswith("-----") or (any(c.isdigit() for c in key) and len(set(key)) > 10)
