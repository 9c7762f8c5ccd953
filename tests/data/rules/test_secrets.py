"""Secrets and personal data are named by kind; ordinary rows are let go, and nothing else is."""

from __future__ import annotations

import base64
import json
import random
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.data.rules import secrets as module
from pawl.data.rules.personal import personal
from pawl.data.rules.secrets import (
    GUESSES,
    LONG,
    MARKED,
    MARKERS,
    _detector,
    may_hold_secret,
    secrets,
)

DRAW = random.Random(6)


def token(length: int, letters: str = string.ascii_letters + string.digits) -> str:
    """Random characters, a digit and a letter among them."""
    return "a1" + "".join(DRAW.choices(letters, k=length - 2))


def jwt() -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890", "name": "Ada"})
    words = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join([*words, token(43)])


HEX = string.digits + "abcdef"
CAPITALS = string.digits + string.ascii_uppercase
SMALL = string.digits + string.ascii_lowercase
# Made here, so that no scanner of repositories takes this file for a leak.
SAMPLES = {
    "AWS key": "AKIA" + token(16, CAPITALS).upper(),
    "Artifactory token": " AKC" + token(60),
    "Azure storage key": "AccountKey=" + token(86) + "==",
    "Cloudant key": "cloudant_apikey=" + token(64, HEX),
    "Discord token": "M" + token(23) + "." + token(6) + "." + token(27),
    "GitHub token": "ghp_" + token(36),
    "GitLab token": "glpat-" + token(20),
    "IBM cloud key": "ibm_cloud_iam_api_key: " + token(44),
    "IBM storage key": "cos_hmac_secret_access_key = " + token(48, HEX),
    "JWT": jwt(),
    "Mailchimp key": token(32, SMALL) + "-us12",
    "NPM token": "//registry.npmjs.org/:_authToken=npm_" + token(36),
    "OpenAI key": "sk-" + token(20) + "T3Blbk" + "FJ" + token(20),
    "PyPI token": "pypi-AgEIcHlw" + "aS5vcmc" + token(80),
    "SendGrid key": "SG." + token(22) + "." + token(43),
    "Slack token": "xoxb-" + "123456789012-" + token(24),
    "SoftLayer key": "softlayer_api_key=" + token(64, SMALL),
    "Square token": "sq0csp-" + token(43),
    "Stripe key": "sk_live_" + token(24),
    "Telegram token": "123456789:" + token(35),
    "Twilio key": "AC" + token(32, SMALL),
    "password in a URL": "postgres://shop:hunter2@db.internal:5432/shop",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA",
    "high-entropy token": token(64),
    "password beside its name": 'password: "corr3ct-horse"',
}
PERSONS = {
    "IBAN": "GB29 NWBK 6016 1331 9268 19",
    "IP address": "81.2.69.142",
    "e-mail": "ada.lovelace@analytical-engines.org",
    "payment card": "4111 1111 1111 1111",
    "phone": "+44 20 7946 0958",
    "social security number": "219-09-9998",
}
# What support messages, invoices, logs and code are full of.
ORDINARY = (
    "Where is my order ORD-2024-00817? I wrote on 03/07/2024 and again on 12.08.2024 at 09:30.",
    "Order #33151501, invoice 2024-000123, ticket PAWL-4711, item 4006381333931.",
    "I paid 1,234.50 EUR and 1.234,50 EUR, that is 2,469.00 in total, VAT included (19 %).",
    "It fails since version 3.11.7; build 120.0.60.109 of the browser was fine, v1.2.3.4 too.",
    "See https://shop.example/blob/9fceb02d0ae598e95dc970b74767f19372d61af8/a.py#L10-L20 please.",
    "The id is 123e4567-e89b-12d3-a456-426614174000; the clock says 2024-03-05T12:30:45.123+01:00.",
    "How do I change the password of my account? The secret: patience. The key is to wait.",
    "I forgot my password, and the API key has expired. My name is Asia; we sell APERITIVOS.",
    '{"category":"account","topic":"password","secret":false,"api_key":"expired","order":null}',
    "Write to support@example.com or @pawl; a ratio of 3:2:1, Foo::bar, 10.0.0.1 and 127.0.0.1.",
    "Donaudampfschifffahrtsgesellschaft, get_user_by_identifier_or_none, TestHTTPServer2Handler",
    "models/all-MiniLM-L6-v2/Weights-2024, /Users/Ada/Library/Caches/App/1, PydanticRemovedIn30",
    "PRODUCT CODES: APX123, AKC, DE89-370, SG.2024, 0171, 0049, 1234 5678 9012 3456 7890.",
)


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(
    "around", ["{}", "Hello, I use {} here.", '{{"note":"see {}"}}', "Zeile\n{}\nZeile"]
)
def test_a_secret_of_each_kind_is_named(kind: str, around: str) -> None:
    if kind == "password beside its name" and '"' in around:
        pytest.skip("quotes in quotes")
    found = secrets(around.format(SAMPLES[kind]))
    assert found
    # Some tokens match two issuers' formats; one with a defined format is not a heuristic kind.
    assert kind in found
    assert kind in GUESSES or not GUESSES & set(found)


@pytest.mark.parametrize("length", [24, 32, 40, 64])
def test_nearly_every_random_token_is_taken_for_a_key(length: int) -> None:
    found = [secrets(f"I use {token(length)} here.") for _ in range(300)]
    assert found.count(("high-entropy token",)) >= 280


@pytest.mark.parametrize("kind", PERSONS)
@pytest.mark.parametrize("around", ["{}", "Please note: {}, thanks.", '{{"note":"see {}"}}'])
def test_personal_data_of_each_kind_is_named(kind: str, around: str) -> None:
    assert personal(around.format(PERSONS[kind])) == (kind,)


@pytest.mark.parametrize(
    "number",
    ["(212) 555-0123", "212-555-0123", "020 7946 0958", "030 12345678", "01 42 68 53 00",
     "0044 20 7946 0958", "+81 3-1234-5678", "+49 (0)30 12345678"],
)  # fmt: skip
def test_a_phone_number_is_found_as_people_write_it(number: str) -> None:
    assert personal(f"Call me on {number}.") == ("phone",)


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_is_let_go(text: str) -> None:
    assert secrets(text) == ()
    assert personal(text) == ()


def test_an_address_reserved_for_examples_is_not_personal() -> None:
    assert personal("ada@example.com and bob@mail.example.org") == ()
    assert personal("ada@example.community") == ("e-mail",)


def test_a_number_with_a_wrong_check_digit_is_no_card_and_no_account() -> None:
    assert personal("4111 1111 1111 1112") == ()
    assert personal("GB28 NWBK 6016 1331 9268 19") == ()


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_detected_text_is_never_quoted(sample: str) -> None:
    assert not any(sample[8:20] in kind for kind in secrets(sample))


@pytest.mark.parametrize("kind", [*LONG, *MARKED])
def test_the_first_look_loses_nothing_that_the_scanner_finds(kind: str) -> None:
    """Every match of a detect-secrets pattern passes the prefilter to its detector."""

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        pattern = data.draw(st.sampled_from(list(_detector(kind).denylist)))
        letters = st.characters(min_codepoint=32, max_codepoint=126)
        text = data.draw(st.from_regex(pattern, alphabet=letters))
        if list(_detector(kind).analyze_string(text)):
            assert may_hold_secret(text)
            assert kind in module.candidate_kinds(text)

    holds()


def test_each_name_of_a_secret_that_the_scanner_knows_passes_the_first_look() -> None:
    from detect_secrets.plugins.keyword import DENYLIST

    for name in DENYLIST:
        assert any(mark in name for mark in MARKERS)


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    secrets(text)
    personal(text)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_secret_deep_in_a_long_text_is_found(kind: str) -> None:
    for before in (3990, 5990, 100_000):
        text = "word " * (before // 5) + SAMPLES[kind] + " word" * 1000
        assert kind in secrets(text)


@pytest.mark.parametrize(
    "unit",
    ["a", "eyJ", "0", "1 ", "a@", "secret", "password:", "://a:", "key=", "AP0", "1.", "a:", "(0",
     "A1", "GB29", "-", "xoxb-1-", "+4", '"password":"'],
)  # fmt: skip
def test_the_time_for_a_hostile_text_grows_with_its_length_alone(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        start = time.process_time()
        secrets(text)
        personal(text)
        return time.process_time() - start

    seconds(1000)
    short, long = seconds(10_000), seconds(80_000)
    assert long < 0.2 or long < 24 * short
