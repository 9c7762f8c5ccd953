"""Detects secrets and personal data in a text; reports their kind, never the text.

Detection is done by maintained scanners: detect-secrets (Yelp), phonenumbers (Google's
libphonenumber), email-validator, python-stdnum (check digits). This module adds a prefilter that
takes microseconds for an ordinary row, and splits long texts, as some patterns are quadratic.
"""

from __future__ import annotations

import importlib
import ipaddress
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

# Heuristic kinds. All others have a format that their issuer defined.
GUESSES = frozenset({"high-entropy token", "password beside its name"})

# Characters per piece and its overlap with the next, so that no shorter secret is cut in two.
PIECE, OVERLAP = 4000, 2000

# The characters of keys and tokens. All detectors of LONG match at least so many in a row.
LONG_RUN = re.compile(r"[A-Za-z0-9+/=_\\-]{20}")
LONG = {
    "AWS key": "aws.AWSKeyDetector",
    "Azure storage key": "azure_storage_key.AzureStorageKeyDetector",
    "Cloudant key": "cloudant.CloudantDetector",
    "Discord token": "discord.DiscordBotTokenDetector",
    "GitHub token": "github_token.GitHubTokenDetector",
    "GitLab token": "gitlab_token.GitLabTokenDetector",
    "IBM cloud key": "ibm_cloud_iam.IbmCloudIamDetector",
    "IBM storage key": "ibm_cos_hmac.IbmCosHmacDetector",
    "Mailchimp key": "mailchimp.MailchimpDetector",
    "OpenAI key": "openai.OpenAIDetector",
    "PyPI token": "pypi_token.PypiTokenDetector",
    "SendGrid key": "sendgrid.SendGridDetector",
    "SoftLayer key": "softlayer.SoftlayerDetector",
    "Square token": "square_oauth.SquareOAuthDetector",
    "Stripe key": "stripe.StripeDetector",
    "Telegram token": "telegram_token.TelegramBotTokenDetector",
    "Twilio key": "twilio.TwilioKeyDetector",
}
# These may be short but contain one of these markers, as written or in lower case.
MARKED = {
    "Artifactory token": ("artifactory.ArtifactoryDetector", ("AKC", "AP")),
    "JWT": ("jwt.JwtTokenDetector", ("eyJ",)),
    "NPM token": ("npm.NpmDetector", (":_authtoken=",)),
    "Slack token": ("slack.SlackDetector", ("xox", "hooks.slack.com")),
    "password in a URL": ("basic_auth.BasicAuthDetector", ("://",)),
    "private key": ("private_key.PrivateKeyDetector", ("private key", "putty-user-key-file")),
}
# Kinds whose format is sufficient; matches of the others must contain a digit and a letter.
SELF_EVIDENT = frozenset({"private key", "password in a URL"})

# Prefilter: each keyword of detect-secrets and each kind of MARKED contains one of these.
MARKERS = (
    "key",
    "pass",
    "pwd",
    "secret",
    "contrase",
    *(m for _, ms in MARKED.values() for m in ms),
)

# The share of the maximal entropy of its length from which a word counts as random. 17,314
# paragraphs of package descriptions, documentation and code have four such words, three of them
# tokens in examples; of random words with 24 to 40 characters at least 96 % are detected.
RANDOM = 0.86
URL = re.compile(r"://[^\s\"']+|www\.[^\s\"']+")
# Random by nature and no secret: subresource integrity (W3C), files within a text (RFC 2397).
PUBLIC = re.compile(
    r"sha(?:256|384|512)-[A-Za-z0-9+/=]{20,}|data:[\w/+.;=-]{0,60};base64,[A-Za-z0-9+/=]+"
    r"|\b(?:iVBORw0KGgo|/9j/|R0lGOD)[A-Za-z0-9+/=]{20,}"
)
# An id of a hub: an owner, and a name of several parts.
HUB_ID = re.compile(r"[A-Za-z][\w-]{0,40}/[A-Za-z0-9]{1,16}(?:[._-]+[A-Za-z0-9]{1,16}){2,}")
# A text about passwords that are made up holds some.
MADE_UP = re.compile(r"generat|random|生成|随机", re.IGNORECASE)
# A value that is computed.
COMPUTED = re.compile(r"[A-Za-z_][\w.]*\(.*")
HEX = re.compile(r"(?<![A-Za-z0-9+/=_-])[0-9a-fA-F]{32,128}(?![A-Za-z0-9+/=_-])")
BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/=_-]{24,200}(?![A-Za-z0-9+/=_-])")

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
VERSION = re.compile(r"(?:version|release|build|firmware|\bv)\W{0,3}$", re.IGNORECASE)


def secrets(text: str) -> tuple[str, ...]:
    """Return the kinds of secrets in a text, sorted."""
    if not may_hold_secret(text):
        return ()
    kinds: set[str] = set()
    for piece in _pieces(text):
        kinds.update(kind for kind in candidate_kinds(piece) if _detect(kind, piece))
        if not kinds and _has_random_word(piece):
            kinds.add("high-entropy token")
        if not kinds and not MADE_UP.search(piece) and any(map(_may_be_secret, _values(piece))):
            kinds.add("password beside its name")
    return tuple(sorted(kinds))


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


def may_hold_secret(text: str) -> bool:
    """Whether a text may hold a secret: a prefilter that few texts without one pass."""
    both = f"{text}\n{text.lower()}"
    return any(marker in both for marker in MARKERS) or LONG_RUN.search(text) is not None


def candidate_kinds(text: str) -> list[str]:
    """Return the kinds with a defined format that the text may hold; the detectors decide."""
    both = f"{text}\n{text.lower()}"
    kinds = [kind for kind, (_, marks) in MARKED.items() if any(mark in both for mark in marks)]
    return [*kinds, *LONG] if LONG_RUN.search(text) else kinds


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= PIECE:
        yield text
        return
    for start in range(0, len(text) - OVERLAP, PIECE - OVERLAP):
        yield text[start : start + PIECE]


def _detect(kind: str, text: str) -> bool:
    # Not `analyze_line`, which reads settings and may call the issuer's server.
    detector = _detector(kind)
    if not any(detector.analyze_string(text)):
        return False
    matches = (match[0] for pattern in detector.denylist for match in pattern.finditer(text))
    return kind in SELF_EVIDENT or any(map(_is_mixed, matches))


@cache
def _detector(kind: str) -> Any:
    module, name = (LONG.get(kind) or MARKED[kind][0]).split(".")
    return getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)()


@cache
def _keyword_value() -> re.Pattern[str]:
    """A value behind a keyword of the library, whose own patterns match source code only."""
    from detect_secrets.plugins.keyword import DENYLIST

    return re.compile(
        rf"(?:{'|'.join(DENYLIST)})\w{{0,40}}[\"'\]]{{0,2}}\s{{0,3}}(?:=>?|:=?)\s{{0,3}}"
        r"""["'`]?([^\s"'`,;]{8,200})""",
        re.IGNORECASE,
    )


def _values(text: str) -> list[str]:
    """What stands beside a password's name, but for what is computed."""
    found = _keyword_value().findall(text)
    return [value for value in found if not COMPUTED.fullmatch(value)]


def _is_mixed(word: str) -> bool:
    """Whether it has both digits and letters."""
    return any(c.isdigit() for c in word) and any(c.isalpha() for c in word)


def _may_be_secret(value: str) -> bool:
    from detect_secrets.filters import heuristic

    return (
        _is_mixed(value)
        and not heuristic.is_potential_uuid(value)
        and not heuristic.is_templated_secret(value)
        and not heuristic.is_sequential_string(value)
    )


def _has_random_word(text: str) -> bool:
    from detect_secrets.plugins import high_entropy_strings as entropy

    base16, base64 = entropy.HexHighEntropyString(), entropy.Base64HighEntropyString()
    # URLs are full of ids of pages, commits and videos.
    text = PUBLIC.sub(" ", URL.sub(" ", text))
    for word in HEX.findall(text):
        if _may_be_secret(word) and base16.calculate_shannon_entropy(word) > base16.entropy_limit:
            return True
    for word in BASE64.findall(text):
        if HUB_ID.fullmatch(word):
            continue
        classes = (any(map(of, word)) for of in (str.isupper, str.islower, str.isdigit))
        if not all(classes) or not _may_be_secret(word):
            continue
        # Half of all 32-character keys do not reach the library's limit.
        limit = base64.entropy_limit
        if "/" not in word:
            limit = min(limit, RANDOM * math.log2(len(word)))
        if base64.calculate_shannon_entropy(word) > limit:
            return True
    return False


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
    """Whether the text has a public address that is not a version number."""
    for match in pattern.finditer(text):
        with suppress(ValueError):
            public = ipaddress.ip_address(match[0]).is_global
            if public and not VERSION.search(text[max(0, match.start() - 20) : match.start()]):
                return True
    return False
