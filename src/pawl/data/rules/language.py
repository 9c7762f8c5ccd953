"""The languages that texts are written in, by py3langid, whose model is part of its package.

Its confidence takes a text's length into account (measured on short commands and on letters), so
that "unsure" is an answer: `ok` and `AB-12345` are in no language.
"""

from __future__ import annotations

from functools import cache
from typing import Any

UNSURE = "unsure"
# What the model must give the likeliest language. Of 2,600 short English commands (every fifth of
# SNIPS, of nine words on average) it takes none for another language at 0.6, and is unsure of 565;
# at 0.4 it errs in 9, and is unsure of 358.
SURE = 0.6
# Characters looked at: the first few sentences tell.
READ = 500
# What the model calls a text with no words in it.
NONE = "zxx"
# Nigerian Pidgin counts as English, which it is easily mistaken for where there are no capitals.
LEFT_OUT = "pcm"


def language(text: str) -> str:
    """The language of a text as its ISO 639 code, or "unsure"; takes about 0.1 ms."""
    code, sure = _identifier().classify(text[:READ])
    return UNSURE if code == NONE or sure < SURE else str(code)


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([code for code in identifier.labels if code != LEFT_OUT])
    return identifier
