r"""JSON Schema (draft 2020-12) and regular expressions, in bounded time (docs/adr/0025).

Python's `re` tries an expression such as `^(a+)+$` in exponentially many ways: a schema and an
answer could occupy a machine for hours. The engine here is Rust's, behind `jsonschema_rs`. It takes
time linear in the text; only look-around and back-references are tried out, at most `TRIES` steps,
after which the text does not match. Expressions are those of JSON Schema (ECMA-262): `\d` and `\w`
are ASCII, `\p{L}` is a letter of any script, `$` is the end of the text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from jsonschema_rs import (
    Draft202012Validator,
    FancyRegexOptions,
    ReferencingError,
    ValidationError,
)

from pawl.core.jsonio import refuse_deep

__all__ = ["Draft202012Validator", "full_match", "schema_fault", "validator_of"]

# Steps of one search, about 10 ms; a look-ahead at each character of 50,000 needs as many.
TRIES = 100_000


def validator_of(schema: Any) -> Draft202012Validator:
    """Return what judges JSON values by a schema.

    Raises:
        ValueError: it is no schema, or refers to what does not stand in it: nothing is fetched.
    """
    if not isinstance(schema, dict | bool):
        # A text would be taken for the schema's JSON.
        raise ValueError(f"a schema is an object or a boolean, not {type(schema).__name__}")
    try:
        return Draft202012Validator(
            schema, retriever=_refuse, pattern_options=FancyRegexOptions(TRIES)
        )
    except ValidationError as error:
        place = "/".join(map(str, error.instance_path))
        raise ValueError(f"{f'{place}: ' if place else ''}{error.message}") from error
    except ReferencingError as error:
        raise ValueError(str(error)) from error


def full_match(expression: str) -> Callable[[str], bool]:
    """Return whether a whole text matches; raises `ValueError` if it is no regular expression."""
    try:
        # By itself first: `a)(b` is one only with what is put around it.
        validator_of({"pattern": expression})
        whole = validator_of({"pattern": f"^(?:{expression})$"})
    except ValueError:
        raise ValueError(f"'{expression}' is no regular expression (ECMA-262)") from None
    return lambda text: not schema_fault(text, whole)


def schema_fault(value: Any, validator: Draft202012Validator) -> str:
    """Return why a JSON value violates the schema, or an empty string.

    What the engine cannot judge is a violation: more than `MAX_DEPTH` levels, half a surrogate
    pair, an integer of thousands of digits.
    """
    try:
        refuse_deep(value)
        worst = next(iter(validator.iter_errors(value)), None)
    except ValueError as error:
        return str(error)
    return "" if worst is None else worst.message


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is not in the schema")
