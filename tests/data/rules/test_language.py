"""Sentences are identified by language; text that is too short or in no language is unsure."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.core.records import Example, Message
from pawl.data.rules.cross_row import other_language
from pawl.data.rules.language import UNSURE, language

SENTENCES = {
    "en": "My parcel has not arrived, and nobody answers the phone.",
    "de": "Mein Paket ist nicht angekommen, und niemand geht ans Telefon.",
    "fr": "Mon colis n'est pas arrivé et personne ne répond au téléphone.",
    "es": "Mi paquete no ha llegado y nadie contesta al teléfono de la tienda.",
    "it": "Il mio pacco non è arrivato e nessuno risponde al telefono.",
    "pl": "Moja paczka nie dotarła i nikt nie odbiera telefonu.",
    "tr": "Paketim gelmedi ve telefona kimse cevap vermiyor.",
    "ru": "Моя посылка не пришла, и никто не отвечает на звонки.",
    "ja": "荷物が届いていないし、誰も電話に出ません。",
    "ar": "لم يصل طردي ولا أحد يرد على الهاتف في المتجر.",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_the_language_of_a_sentence_is_identified(code: str) -> None:
    assert language(SENTENCES[code]) == code
    assert language(SENTENCES[code] * 100) == code


@pytest.mark.parametrize("text", ["", "ok", "AB-12345", "12345", "!!!", "🙂", '{"a":1}'])
def test_what_has_no_language_is_unsure(text: str) -> None:
    assert language(text) == UNSURE


@pytest.mark.parametrize(
    ("german", "french", "named"),
    [(0, 0, set()), (1, 0, {"de"}), (8, 2, {"de", "fr"}), (30, 20, set()), (40, 1, {"fr"})],
)
def test_rows_in_another_language_than_the_data_are_named(
    german: int, french: int, named: set[str]
) -> None:
    spoken = ["de"] * german + ["fr"] * french + ["en"] * (100 - german - french)
    rows = [
        Example(f"{code}-{at}", "0" * 16, (Message("user", SENTENCES[code]),), "x")
        for at, code in enumerate(spoken)
    ]
    found = other_language([*rows, Example("short", "0" * 16, (Message("user", "ok"),), "x")], 0.7)
    assert set(found) == {at for at, code in enumerate(spoken) if code in named}


def test_the_model_needs_no_network() -> None:
    code = (
        "import socket\n"
        "def refuse(*_): raise OSError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from pawl.data.rules.language import language\n"
        f"assert language({SENTENCES['fr']!r}) == 'fr'\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert language(text)
