"""Schemas and regular expressions judge as JSON Schema says, and never try for hours."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.core.json_schema import full_match, schema_fault, validator_of

# Each takes Python's `re` longer than the universe is old.
HOSTILE = ("^(a+)+$", "^(a|a)*$", "^(?:(?=a)a|aa)+$", r"^((a|aa)+)\1$", "(a*)*b", "^(?!(a+)+$)b")
EVIL = "a" * 20_000 + "!"
WHERE: tuple[tuple[str, Any], ...] = (
    ('{"pattern": %s}', EVIL),
    ('{"items": {"anyOf": [{"pattern": %s}, {"type": "null"}]}}', [EVIL]),
    ('{"patternProperties": {%s: {"type": "null"}}}', {EVIL: 1}),
    ('{"patternProperties": {%s: true}, "additionalProperties": false}', {EVIL: 1}),
    ('{"patternProperties": {%s: true}, "unevaluatedProperties": false}', {EVIL: 1}),
    ('{"propertyNames": {"pattern": %s}}', {EVIL: 1}),
    ('{"not": {"pattern": %s}}', EVIL),
)
JUDGE = """
import json, sys
from pawl.core.json_schema import full_match, schema_fault, validator_of
asked, expression = json.load(sys.stdin)
for schema, value in asked:
    print(schema_fault(value, validator_of(schema))[:9])
print(full_match(expression)("a" * 20_000 + "!"))
"""

values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-2, 2) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)
KINDS = ("null", "boolean", "integer", "number", "string", "array", "object")
keywords = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(KINDS),
        "enum": st.lists(values, min_size=1, max_size=3),
        "const": values,
        "minimum": st.integers(-3, 3),
        "maxLength": st.integers(0, 3),
        "pattern": st.sampled_from(["^a", "b$", "^(a|b)*$", "^[^a]+$"]),
        "required": st.lists(st.sampled_from("ab"), unique=True),
        "uniqueItems": st.booleans(),
        "minItems": st.integers(0, 2),
    },
)
schemas = st.recursive(
    keywords,
    lambda inner: (
        st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from("ab"), inner)})
        | st.fixed_dictionaries({"items": inner, "additionalProperties": st.booleans()})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)})
        | st.fixed_dictionaries({"not": inner})
        | st.fixed_dictionaries({"patternProperties": st.fixed_dictionaries({"^a": inner})})
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("expression", HOSTILE)
def test_no_expression_in_any_place_of_a_schema_occupies_the_machine(expression: str) -> None:
    asked = [(json.loads(frame % json.dumps(expression)), value) for frame, value in WHERE]
    # In a process of its own: an engine that hangs does not let the test's own limit speak.
    subprocess.run(
        [sys.executable, "-c", JUDGE],
        input=json.dumps([asked, expression]),
        text=True,
        check=True,
        timeout=120,
    )


@given(schemas, values)
def test_a_value_is_judged_as_the_reference_implementation_judges_it(
    schema: Any, value: Any
) -> None:
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (schema_fault(value, validator_of(schema)) == "") is expected


@pytest.mark.parametrize(
    ("expression", "text", "fits"),
    [
        ("a|b", "b", True),
        ("a|b", "ab", False),
        ("a", "a\n", False),
        (r"\d{4}-\d\d", "2024-01", True),
        (r"\d", "\u0661", False),
        (r"\p{L}+", "Ünï", True),
        ("(?i)yes|no", "NO", True),
        (r"(?=.*\d)\w+", "ab1", True),
    ],
)
def test_an_expression_matches_a_whole_text_in_the_terms_of_json_schema(
    expression: str, text: str, fits: bool
) -> None:
    assert full_match(expression)(text) is fits


@pytest.mark.parametrize("text", ["(", "a)(b", "a)|(b", "(?x)a #", "a{4294967296}", r"a\Z"])
def test_what_is_no_expression_by_itself_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no regular expression"):
        full_match(text)


@pytest.mark.parametrize("schema", [5, None, [], "true", '{"type": "null"}'])
def test_only_an_object_or_a_boolean_is_a_schema(schema: Any) -> None:
    with pytest.raises(ValueError, match="a schema is an object"):
        validator_of(schema)


@pytest.mark.parametrize("ref", ["http://127.0.0.1:9/s", "file:///etc/passwd", "s.json"])
def test_a_schema_fetches_nothing(ref: str) -> None:
    for schema in ({"$ref": ref}, {"$id": "file:///tmp/x.json", "$ref": ref}):
        with pytest.raises(ValueError, match=ref):
            validator_of(schema)


def test_what_cannot_be_judged_is_a_violation_and_no_crash() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    for value in ("\ud800", {"a": "\udfff"}, 10**5000, deep):
        for schema in ({"enum": [1]}, {"items": {"$ref": "#"}, "const": {}}):
            assert schema_fault(value, validator_of(schema))
