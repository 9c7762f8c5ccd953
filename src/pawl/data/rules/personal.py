"""Detects personal data in a text; reports its kind, never the text.

Candidates are found by expressions and judged by maintained libraries: phonenumbers (Google's
libphonenumber), email-validator, python-stdnum (check digits).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

EMAIL = re.compile(r"(?<![\w.+/:-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}", re.A | re.I)
# Addresses of nobody, as texts give them for an example.
NOBODY = re.compile(
    r"@(?:.*\.)?(?:(?:your-?|my-?)?(?:company|domain|email|organization|website)|example(?:-\w+)?)\.[a-z]{2,3}$"
    r"|^(?:example|user|test|name|your[._-]?name|jo(?:hn|e)[._-]?doe|jane[._-]?doe)@",
    re.IGNORECASE,
)
# No telephone number: a decimal, and two times of day.
DECIMAL = re.compile(r"\d+[.,]\d+")
TIMES = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d-(?:[01]\d|2[0-4])[0-5]\d")
# Candidates for phone and card numbers. Lookbehinds come second: a leading class is searched fast.
NUMBER = re.compile(r"\d(?<![\w.,#-].)[\d ().\-/]{5,22}\d(?![\w-])")
# Digits of the longest phone number, with the country (ITU-T E.164), and `00`.
LONGEST_PHONE = 17
# Countries whose national numbers (without `+`) are detected, by their distinctive grouping.
REGIONS = ("GB", "DE", "FR", "IT", "NL", "JP", "AU", "US")
AMERICAN = re.compile(r"\d{3}([ .-])\d{3}\1\d{4}")
DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(?:19|20)\d\d(?!\1)|\d{4}-\d\d-\d\d")
CARD = re.compile(r"\d{4}([ -]?)(?:\d{4}\1\d{4}\1\d{1,7}|\d{6}\1\d{4,5})")
# Issuer prefixes and lengths (ISO/IEC 7812): Visa, Mastercard, Amex, Diners, Discover, JCB.
ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3[068]\d{12}|6(?:011|5)\d{12,13}"
    r"|35\d{14}"
)
SSN = re.compile(r"\d{3}-\d{2}-\d{4}")
IBAN = re.compile(r"[A-Z](?<!\w.)[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
IPV4 = re.compile(r"\d(?<![\w.].)\d{0,2}(?:\.\d{1,3}){3}(?!\.?\w)")
IPV6 = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f]{1,4}:(?:[0-9A-Fa-f]{0,4}:){2,6}[0-9A-Fa-f]{1,4}(?![\w:])"
)
# Public resolvers of names, which stand in every second example of a network.
NOBODYS = {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9"}
NETWORK = re.compile(r"/\d")
VERSION = re.compile(r"(?:version|release|build|firmware|\bv)\W{0,3}$", re.IGNORECASE)


def personal(text: str) -> tuple[str, ...]:
    """Return the kinds of personal data in a text, sorted."""
    kinds = set()
    if "@" in text and any(_is_email(m[0]) for m in EMAIL.finditer(text)):
        kinds.add("e-mail")
    if text.count(".") > 2 and _has_public_ip(IPV4, text):
        kinds.add("IP address")
    # Eight groups, or fewer with a gap (RFC 4291).
    if ("::" in text or text.count(":") > 6) and _has_public_ip(IPV6, text):
        kinds.add("IP address")
    if candidates := IBAN.findall(text):
        from stdnum import iban

        # Without the check of national bank codes, which change.
        if any(iban.is_valid(candidate, check_country=False) for candidate in candidates):
            kinds.add("IBAN")
    for number in NUMBER.finditer(text):
        kinds.update(_number_kinds(number[0], text[: number.start()][-1:]))
    return tuple(sorted(kinds))


def _is_email(text: str) -> bool:
    from email_validator import EmailNotValidError, validate_email

    try:
        domain = validate_email(text, check_deliverability=False).ascii_domain
    except EmailNotValidError:
        return False
    # Reserved for examples (RFC 2606), or used as if it were.
    reserved = re.search(r"(?:^|\.)example\.(?:com|net|org)$", domain)
    return not reserved and not NOBODY.search(text)


def _number_kinds(digits: str, before: str) -> Iterator[str]:
    """Yield the kinds of a number; `before` is the character in front of it."""
    from stdnum import luhn
    from stdnum.us import ssn

    if _is_phone(before + digits if before in ("+", "(") else digits):
        yield "phone"
    plain = re.sub(r"\D", "", digits)
    if CARD.fullmatch(digits) and ISSUERS.fullmatch(plain) and luhn.is_valid(plain):
        yield "payment card"
    if SSN.fullmatch(digits) and ssn.is_valid(digits):
        yield "social security number"


@lru_cache(maxsize=4096)
def _is_phone(number: str) -> bool:
    import phonenumbers

    if number.startswith("+"):
        return _is_valid_phone(number, None)
    # Without a `+`, only its grouping distinguishes it from an order number.
    if DECIMAL.fullmatch(number) or TIMES.fullmatch(number):
        return False
    if number.isdigit() or DATE.search(number) or sum(map(str.isdigit, number)) > LONGEST_PHONE:
        return False
    if number.startswith("00"):
        return _is_valid_phone("+" + number[2:], None)
    if not number.startswith(("0", "(")) and not AMERICAN.fullmatch(number):
        return False
    return any(
        _is_valid_phone(number, region)
        and phonenumbers.PhoneNumberMatcher(
            number, region, leniency=phonenumbers.Leniency.STRICT_GROUPING
        ).has_next()
        for region in REGIONS
    )


def _is_valid_phone(number: str, region: str | None) -> bool:
    import phonenumbers

    with suppress(phonenumbers.NumberParseException):
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, region)))
    return False


def _has_public_ip(pattern: re.Pattern[str], text: str) -> bool:
    """Whether the text has a public address that is no version number, network or resolver."""
    for match in pattern.finditer(text):
        if match[0] in NOBODYS or NETWORK.match(text, match.end()):
            continue
        with suppress(ValueError):
            public = ipaddress.ip_address(match[0]).is_global
            if public and not VERSION.search(text[max(0, match.start() - 20) : match.start()]):
                return True
    return False
