"""Secrets and personal data in a row's text, by kind: never what they say.

Each is judged by a scanner that is kept by people who do little else: detect-secrets (Yelp) for
keys and tokens, phonenumbers (Google's libphonenumber), email-validator, python-stdnum (the check
digits of account and card numbers). What stands here is the way to them: a look that costs
microseconds and lets an ordinary row go, and the cutting of long texts into pieces, for some of
their patterns take time that grows with the square of the length.
"""

from __future__ import annotations

import importlib
import ipaddress
import math
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

# Kinds that are told by looks alone. All others have a form that their issuer gave them.
GUESSES = frozenset({"high-entropy token", "password beside its name"})

# Characters a piece, and how many it shares with the next: no shorter secret is cut in two.
PIECE, SHARED = 4000, 2000

# What keys and tokens are written in. All detectors of LONG find at least so many in a row.
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
# These may be short, but have one of these words in them, as it stands here or in small letters.
MARKED = {
    "Artifactory token": ("artifactory.ArtifactoryDetector", ("AKC", "AP")),
    "JWT": ("jwt.JwtTokenDetector", ("eyJ",)),
    "NPM token": ("npm.NpmDetector", (":_authtoken=",)),
    "Slack token": ("slack.SlackDetector", ("xox", "hooks.slack.com")),
    "password in a URL": ("basic_auth.BasicAuthDetector", ("://",)),
    "private key": ("private_key.PrivateKeyDetector", ("private key", "putty-user-key-file")),
}
# These say in words what they are; what the others find is random, and has a digit and a letter.
SAID = frozenset({"private key", "password in a URL"})

# In each name that detect-secrets takes for a secret's, and in each short kind: one of these.
MARKS = ("key", "pass", "pwd", "secret", "contrase", *(m for _, ms in MARKED.values() for m in ms))

# The share of the most entropy that its length allows from which on a word is random. 17,314
# paragraphs of package descriptions, documentation and code have four such words, three of them
# tokens in examples; of random words with 24 to 40 characters at least 96 % are such.
RANDOM = 0.86
URL = re.compile(r"://[^\s\"']+|www\.[^\s\"']+")
HEX = re.compile(r"(?<![A-Za-z0-9+/=_-])[0-9a-fA-F]{32,128}(?![A-Za-z0-9+/=_-])")
BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/=_-]{24,200}(?![A-Za-z0-9+/=_-])")

EMAIL = re.compile(r"(?<![\w.+/:-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}\w{2,24}")
# What phone and card numbers are made of. Lookbehinds come second: a class is searched for fast.
NUMBER = re.compile(r"\d(?<![\w.,#-].)[\d ().\-/]{5,22}\d(?![\w-])")
# Digits of the longest phone number, with the country (ITU-T E.164), and `00`.
LONGEST_PHONE = 17
# Countries whose own numbers, without a `+`, are looked for: these are grouped like nothing else.
REGIONS = ("GB", "DE", "FR", "IT", "NL", "JP", "AU", "US")
AMERICAN = re.compile(r"\d{3}([ .-])\d{3}\1\d{4}")
DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(?:19|20)\d\d(?!\1)|\d{4}-\d\d-\d\d")
CARD = re.compile(r"\d{4}([ -]?)(?:\d{4}\1\d{4}\1\d{1,7}|\d{6}\1\d{4,5})")
# Issuer's first digits and lengths (ISO/IEC 7812): Visa, Mastercard, Amex, Diners, Discover, JCB.
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
    """The kinds of secrets in a text, sorted."""
    if not suspect(text):
        return ()
    found: set[str] = set()
    for piece in _pieces(text):
        found.update(kind for kind in suspected(piece) if _holds(kind, piece))
        if not found and _random(piece):
            found.add("high-entropy token")
        if not found and any(map(_secretive, _named().findall(piece))):
            found.add("password beside its name")
    return tuple(sorted(found))


def personal(text: str) -> tuple[str, ...]:
    """The kinds of personal data in a text, sorted."""
    found = set()
    if "@" in text and any(_email(m[0]) for m in EMAIL.finditer(text)):
        found.add("e-mail")
    if text.count(".") > 2 and _address(IPV4, text):
        found.add("IP address")
    # Eight groups, or fewer and a gap (RFC 4291).
    if ("::" in text or text.count(":") > 6) and _address(IPV6, text):
        found.add("IP address")
    if any(_iban(m[0]) for m in IBAN.finditer(text)):
        found.add("IBAN")
    for number in NUMBER.finditer(text):
        found.update(_number(number[0], text[: number.start()][-1:]))
    return tuple(sorted(found))


def suspect(text: str) -> bool:
    """Whether it may hold a secret: a look that lets most texts go, and no secret."""
    both = f"{text}\n{text.lower()}"
    return any(mark in both for mark in MARKS) or LONG_RUN.search(text) is not None


def suspected(text: str) -> list[str]:
    """The kinds with a form that the text may hold; the detectors say whether it does."""
    both = f"{text}\n{text.lower()}"
    kinds = [kind for kind, (_, marks) in MARKED.items() if any(mark in both for mark in marks)]
    return [*kinds, *LONG] if LONG_RUN.search(text) else kinds


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= PIECE:
        yield text
        return
    for start in range(0, len(text) - SHARED, PIECE - SHARED):
        yield text[start : start + PIECE]


def _holds(kind: str, text: str) -> bool:
    # Called without `analyze_line`, which would look at settings and may ask the issuer's server.
    detector = _detector(kind)
    if not any(detector.analyze_string(text)):
        return False
    found = (match[0] for pattern in detector.denylist for match in pattern.finditer(text))
    return kind in SAID or any(map(_mixed, found))


@cache
def _detector(kind: str) -> Any:
    module, name = (LONG.get(kind) or MARKED[kind][0]).split(".")
    return getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)()


@cache
def _named() -> re.Pattern[str]:
    """What stands behind a secret's name: the library's names, but its patterns know code alone."""
    from detect_secrets.plugins.keyword import DENYLIST

    return re.compile(
        rf"(?:{'|'.join(DENYLIST)})\w{{0,40}}[\"'\]]{{0,2}}\s{{0,3}}(?:=>?|:=?)\s{{0,3}}"
        r"""["'`]?([^\s"'`,;]{8,200})""",
        re.IGNORECASE,
    )


def _mixed(word: str) -> bool:
    """Whether it is neither a word nor a number."""
    return any(c.isdigit() for c in word) and any(c.isalpha() for c in word)


def _secretive(value: str) -> bool:
    from detect_secrets.filters import heuristic

    return (
        _mixed(value)
        and not heuristic.is_potential_uuid(value)
        and not heuristic.is_templated_secret(value)
        and not heuristic.is_sequential_string(value)
    )


def _random(text: str) -> bool:
    from detect_secrets.plugins import high_entropy_strings as entropy

    sixteen, sixtyfour = entropy.HexHighEntropyString(), entropy.Base64HighEntropyString()
    # An address on the web is full of numbers of pages, commits and films.
    text = URL.sub(" ", text)
    for word in HEX.findall(text):
        if _secretive(word) and sixteen.calculate_shannon_entropy(word) > sixteen.entropy_limit:
            return True
    for word in BASE64.findall(text):
        kinds = (any(map(of, word)) for of in (str.isupper, str.islower, str.isdigit))
        if not all(kinds) or not _secretive(word):
            continue
        # The library's limit lets half of the keys with 32 characters go: few reach it.
        limit = sixtyfour.entropy_limit
        if "/" not in word:
            limit = min(limit, RANDOM * math.log2(len(word)))
        if sixtyfour.calculate_shannon_entropy(word) > limit:
            return True
    return False


def _email(found: str) -> bool:
    from email_validator import EmailNotValidError, validate_email

    try:
        domain = validate_email(found, check_deliverability=False).ascii_domain
    except EmailNotValidError:
        return False
    # Set aside for examples (RFC 2606): nobody's.
    return not re.search(r"(?:^|\.)example\.(?:com|net|org)$", domain)


def _number(digits: str, before: str) -> Iterator[str]:
    """What kinds of number it is; `before` is the character that stands in front of it."""
    from stdnum import luhn
    from stdnum.us import ssn

    if _phone(before + digits if before in ("+", "(") else digits):
        yield "phone"
    plain = re.sub(r"\D", "", digits)
    if CARD.fullmatch(digits) and ISSUERS.fullmatch(plain) and luhn.is_valid(plain):
        yield "payment card"
    if SSN.fullmatch(digits) and ssn.is_valid(digits):
        yield "social security number"


@lru_cache(maxsize=4096)
def _phone(number: str) -> bool:
    import phonenumbers

    if number.startswith("+"):
        return _valid_phone(number, None)
    # Without a `+` only grouping tells it from an order number.
    if number.isdigit() or DATE.search(number) or sum(map(str.isdigit, number)) > LONGEST_PHONE:
        return False
    if number.startswith("00"):
        return _valid_phone("+" + number[2:], None)
    if not number.startswith(("0", "(")) and not AMERICAN.fullmatch(number):
        return False
    return any(
        _valid_phone(number, region)
        and phonenumbers.PhoneNumberMatcher(
            number, region, leniency=phonenumbers.Leniency.STRICT_GROUPING
        ).has_next()
        for region in REGIONS
    )


def _valid_phone(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, region)))
    except phonenumbers.NumberParseException:
        return False


def _iban(found: str) -> bool:
    from stdnum import iban

    # Without the check of the country's own bank codes, which change.
    return bool(iban.is_valid(found, check_country=False))


def _address(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a public address stands in the text that is no version number."""
    for match in pattern.finditer(text):
        try:
            public = ipaddress.ip_address(match[0]).is_global
        except ValueError:
            continue
        if public and not VERSION.search(text[max(0, match.start() - 20) : match.start()]):
            return True
    return False
