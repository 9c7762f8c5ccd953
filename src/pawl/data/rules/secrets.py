"""Detects secrets in a text; reports their kind, never the text.

Detection is done by a maintained scanner, detect-secrets (Yelp). This module adds a prefilter that
takes microseconds for an ordinary row, and splits long texts, as some patterns are quadratic.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterator
from functools import cache
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

# Prefilter: each keyword of detect-secrets and each kind of MARKED contains one of these. Those
# with capitals are looked for as they are, the others in any case.
KEYWORDS = ("key", "pass", "pwd", "secret", "contrase")
MARKERS = (*KEYWORDS, *(m for _, ms in MARKED.values() for m in ms if m == m.lower()))
CASED = tuple(m for _, ms in MARKED.values() for m in ms if m != m.lower())

# The share of the maximal entropy of its length from which a word counts as random. 17,314
# paragraphs of package descriptions, documentation and code have four such words, three of them
# tokens in examples; of random words with 24 to 40 characters at least 96 % are detected.
RANDOM = 0.86
URL = re.compile(r"://[^\s\"']+|www\.[^\s\"']+")
# Random by nature and no secret: subresource integrity (W3C), files within a text (RFC 2397), ids
# that servers of models give to calls, answers and runs.
PUBLIC = re.compile(
    r"sha(?:256|384|512)-[A-Za-z0-9+/=]{20,}|data:[\w/+.;=-]{0,60};base64,[A-Za-z0-9+/=]+"
    r"|\b(?:iVBORw0KGgo|/9j/|R0lGOD)[A-Za-z0-9+/=]{20,}"
    r"|\b(?:(?:call|toolu|msg|run|step|thread|asst|resp|fc|rs)_|(?:chatcmpl|cmpl)-)[A-Za-z0-9]{16,}\b"
)
# An id of a hub: an owner, and a name of several parts.
HUB_ID = re.compile(r"[A-Za-z][\w-]{0,40}/[A-Za-z0-9]{1,16}(?:[._-]+[A-Za-z0-9]{1,16}){2,}")
# A text about passwords that are made up holds some.
MADE_UP = re.compile(r"generat|random|生成|随机", re.IGNORECASE)
# A value that is computed.
COMPUTED = re.compile(r"[A-Za-z_][\w.]*\(.*")
HEX = re.compile(r"(?<![A-Za-z0-9+/=_-])[0-9a-fA-F]{32,128}(?![A-Za-z0-9+/=_-])")
BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/=_-]{24,200}(?![A-Za-z0-9+/=_-])")


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


def may_hold_secret(text: str) -> bool:
    """Whether a text may hold a secret: a prefilter that few texts without one pass."""
    lower = text.lower()
    return (
        any(marker in lower for marker in MARKERS)
        or any(marker in text for marker in CASED)
        or LONG_RUN.search(text) is not None
    )


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
