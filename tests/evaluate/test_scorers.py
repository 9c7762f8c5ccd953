"""Scores measure the answer; what cannot be measured is absent, never 0."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config.code_digest import (
    ASIDE,
    ENTRY,
    PACKAGE,
    local_sources,
    scoring_code,
    without_moves,
)
from pawl.config.judging import Evaluate, Gate, Scorer
from pawl.config.schema import Check, Split, Task, Train
from pawl.config.user_functions import function_digest, function_file, load_function
from pawl.core.metrics import FALL
from pawl.core.records import BaseRef, Example, Message
from pawl.errors import DataError, ParamsError
from pawl.evaluate.fields import by_field, enums, field_accuracy, field_f1, json_equal, json_valid
from pawl.evaluate.scorers import char_error, edit_distance, exact_match, score_all, scorers
from pawl.evaluate.summary import mean, summary
from pawl.workspace.fingerprints import scoring_inputs

OBJECTS = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers() | st.text(), min_size=1
)
SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["a", "b"]}, "sure": {"enum": [True, None]}, "text": {}},
}
NOWHERE = Path("/nonexistent")


def row(reference: str, number: int = 7) -> Example:
    turns = (Message("system", "be brief"), Message("user", f"question {number}"))
    return Example(f"row-{number}", "k" * 16, turns, reference, {"customer": f"c{number}"})


def measured(output: str, reference: str, schema: object = None) -> dict[str, float]:
    (found,) = score_all(scorers(schema, Evaluate(), NOWHERE), [output], [row(reference)])
    return found


@given(OBJECTS)
def test_the_reference_itself_scores_full_marks(value: dict[str, object]) -> None:
    found = measured(json.dumps(value), json.dumps(value), {"type": "object"})
    assert {"exact_match", "json_equal", "field_f1", "schema_valid"} <= found.keys()
    assert all(score == (name not in FALL) for name, score in found.items())


@given(OBJECTS, st.text() | OBJECTS.map(json.dumps))
def test_every_score_lies_between_nothing_and_full_marks(
    value: dict[str, object], output: str
) -> None:
    for name, found in measured(output, json.dumps(value), SCHEMA).items():
        assert 0 <= found <= (float("inf") if name in FALL else 1)


def test_json_scores_of_a_reference_that_is_no_json_are_absent() -> None:
    assert json_valid("{}", "plain words") is None
    assert json_equal("{}", "plain words") is None
    assert field_accuracy("{}", "[1]") is None
    assert field_f1("{}", "{}") is None
    assert measured("{}", "plain words").keys() == {"exact_match", "char_error"}
    assert summary([{"a": 1.0}, {}]) == {"a": 1.0}


def test_fields_count_one_by_one_and_true_is_not_one() -> None:
    assert field_accuracy('{"a": 1, "b": true}', '{"a": 1, "b": 1}') == 0.5
    assert field_accuracy("not json", '{"a": 1}') == 0.0
    assert exact_match(' {"a":1}\n', '{"a":1}') == 1.0
    assert json_valid('{"a": NaN}', "{}") == 0.0


NESTED = {"$defs": {"n": {"items": {"anyOf": [{"$ref": "#/$defs/n"}]}}}, "$ref": "#/$defs/n"}


@pytest.mark.parametrize("depth", [1, 90, 101, 300, 900, 100_000])
def test_an_answer_nested_too_deeply_is_no_json_wherever_it_is_scored_from(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    fit = float(depth <= 100)

    def found(frames: int) -> dict[str, float]:
        return found(frames - 1) if frames else measured(deep, "[[]]", NESTED)

    for frames in (0, 400):
        assert found(frames)["json_valid"] == fit
        assert found(frames)["json_equal"] == 0.0
    assert measured(deep, "[]", NESTED)["schema_valid"] == fit
    assert measured("{}", deep).keys() == {"exact_match", "char_error"} | (
        {"json_valid", "json_equal"} if fit else set()
    )


@pytest.mark.parametrize(
    "answer",
    [
        '{"a": 2, "a": 1}',
        '{"a": 1, "b": {"c": 1, "c": 1}}',
        '{"a": 1, "b": -Infinity}',
        '{"a": 1, "b": 1e400}',
    ],
)
def test_an_answer_with_a_key_twice_or_a_number_that_json_lacks_is_no_json(answer: str) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": [1]}}}
    found = measured(answer, '{"a": 1}', schema)
    json_metrics = ("json_valid", "json_equal", "field_accuracy", "field_f1", "schema_valid")
    assert {found[name] for name in (*json_metrics, "enum_valid")} == {0.0}
    assert by_field([(answer, '{"a": 1}')])["a"]["accuracy"] == 0.0
    assert "json_valid" not in measured('{"a": 1}', answer)


@given(OBJECTS)
def test_json_equality_ignores_order_and_blanks_and_nothing_else(value: dict[str, object]) -> None:
    turned = json.dumps(dict(reversed(value.items())), indent=3)
    assert json_equal(turned, json.dumps(value)) == 1.0
    assert json_equal(json.dumps(value | {"one more": 1}), json.dumps(value)) == 0.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.0", "1", True),
        ("[1e2, -0.0]", "[100, 0]", True),
        ('{"n": {"m": 2.0}}', '{"n": {"m": 2}}', True),
        ("1", "true", False),
        ("1.5", "1", False),
        ("9007199254740993", "9007199254740992", False),
        ('"1"', "1", False),
    ],
)
def test_numbers_are_the_same_by_value_as_a_json_schema_takes_them(
    one: str, other: str, same: bool
) -> None:
    schema = {"properties": {"a": {"enum": [json.loads(other)]}}}
    answer, reference = f'{{"a": {one}}}', f'{{"a": {other}}}'
    found = measured(answer, reference, schema)
    assert {found[n] for n in ("json_equal", "field_accuracy", "enum_valid", "schema_valid")} == {
        float(same)
    }


def test_an_invented_field_costs_f1_and_no_accuracy() -> None:
    answer, reference = '{"a": 1, "made up": 2}', '{"a": 1}'
    assert field_accuracy(answer, reference) == 1.0
    assert field_f1(answer, reference) == pytest.approx(2 / 3)


def test_each_field_has_its_own_accuracy_and_f1_over_the_rows() -> None:
    rows = [
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 3}'),
        ('{"a": 1, "b": 2}', '{"a": 1}'),
        ("no json", '{"a": 1}'),
        ("{}", "no json"),
    ]
    assert by_field(rows) == {
        "a": {"accuracy": pytest.approx(2 / 3), "f1": pytest.approx(0.8)},
        "b": {"accuracy": 0.0, "f1": 0.0},
    }
    assert by_field([("x", "plain words")]) == {}


def test_enums_are_read_from_the_schema_and_a_missing_field_does_not_conform() -> None:
    assert enums(SCHEMA) == {"kind": ["a", "b"], "sure": [True, None]}
    assert measured('{"kind": "a", "sure": null}', "{}", SCHEMA)["enum_valid"] == 1.0
    assert measured('{"kind": "a", "sure": 1}', "{}", SCHEMA)["enum_valid"] == 0.5
    assert measured('{"kind": "a"}', "{}", SCHEMA)["enum_valid"] == 0.5
    assert measured("[]", "{}", SCHEMA)["enum_valid"] == 0.0
    assert "enum_valid" not in measured("{}", "{}", {"type": "object"})


def test_a_regular_expression_must_match_the_whole_answer() -> None:
    by_metric = scorers(None, Evaluate(regex=r"[A-Z]{2}-\d+"), NOWHERE)
    texts = ("AB-12\n", "AB-12 or so")
    found = score_all(by_metric, texts, [row("x"), row("x")])
    assert [values["regex_match"] for values in found] == [1.0, 0.0]


def slow_distance(a: str, b: str) -> int:
    """The textbook's table."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        left, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (x != y))
    return row[-1]


@given(st.text("abé ", max_size=90), st.text("abé ", max_size=90))
def test_the_edit_distance_is_that_of_the_textbook(a: str, b: str) -> None:
    assert edit_distance(a, b) == slow_distance(a, b) == edit_distance(b, a)


def test_character_error_may_exceed_one_and_a_blank_reference_has_none() -> None:
    assert char_error("abcd", "ab") == 1.0
    assert char_error("abcdef", "ab") == 2.0
    assert char_error("x", "  ") is None


def own(tmp_path: Path, code: str, name: str) -> dict[str, float]:
    """The scores with a user's scorer, written into a workspace under a fresh name."""
    (tmp_path / f"{name}.py").write_text(f"def mine(output, reference):\n    {code}\n")
    policy = Evaluate(scorers={"mine": f"{name}:mine"})
    (found,) = score_all(scorers(None, policy, tmp_path), ["a"], [row("b")])
    return found


def test_a_users_scorer_is_a_plain_function(tmp_path: Path) -> None:
    assert own(tmp_path, "return len(output + reference) / 8", "own_plain")["mine"] == 0.25
    assert own(tmp_path, "return 1", "own_whole")["mine"] == 1.0
    assert "mine" not in own(tmp_path, "return None", "own_none")


@pytest.mark.parametrize(
    "code",
    [
        "return float('nan')",
        "return float('inf')",
        "return True",
        "return 'x'",
        "return 1 / 0",
        "return 1.0000001",
        "return -1e-9",
        "return 7",
        "return 10**400",
        "return [0.5]",
    ],
)
def test_a_scorer_that_goes_wrong_is_named_with_its_row(tmp_path: Path, code: str) -> None:
    with pytest.raises(DataError, match=r"'mine' (returned|raised).* on row 'row-7'"):
        own(tmp_path, code, f"own_{abs(hash(code))}")


def declared(tmp_path: Path, code: str, **ends: float) -> list[float | None]:
    """What a scorer `mine` of this code comes to on the answers "a" and "bbb"."""
    name = f"own_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(code)
    policy = Evaluate(scorers={"mine": Scorer(f"{name}:mine", **ends)})
    rows = [row("r", 1), row("rr", 2)]
    found = score_all(scorers(None, policy, tmp_path), ["a", "bbb"], rows)
    return [values.get("mine") for values in found]


def test_a_scorer_that_asks_for_the_row_sees_all_of_it(tmp_path: Path) -> None:
    code = (
        "def mine(answer, row):\n"
        "    assert row.messages[0].role == 'system' and row.prompt.startswith('question ')\n"
        "    number = row.prompt[-1]\n"
        "    assert (row.id, row.fields['customer']) == (f'row-{number}', f'c{number}')\n"
        "    return len(row.reference) / 4\n"
    )
    assert declared(tmp_path, code) == [0.25, 0.5]


def test_a_scorer_may_take_all_answers_at_once(tmp_path: Path) -> None:
    code = (
        "def mine(answers, rows):\n"
        "    assert [row.reference for row in rows] == ['r', 'rr']\n"
        "    return [None if a == 'a' else 0.5 for a in answers]\n"
    )
    assert declared(tmp_path, code) == [None, 0.5]


@pytest.mark.parametrize(
    ("worst", "best", "expected"),
    [(0, 4, [0.25, 0.75]), (4, 0, [0.75, 0.25]), (-1, 3, [0.5, 1.0]), (5, 1, [1.0, 0.5])],
)
def test_a_scorer_declares_its_ends_and_with_them_what_is_better(
    tmp_path: Path, worst: float, best: float, expected: list[float]
) -> None:
    code = "def mine(answer, reference):\n    return len(answer)\n"
    assert declared(tmp_path, code, worst=worst, best=best) == expected


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def mine(answers, rows):\n    return [1.0]\n", "returned 1 numbers for 2 answers"),
        ("def mine(answers, rows):\n    return 1.0\n", "raised TypeError.* on the 2 rows"),
        ("def mine(answers, rows):\n    return [0, 7]\n", "returned 7 on row 'row-2'"),
        ("def mine(answer, row):\n    return row.nothing\n", "raised AttributeError.*'row-1'"),
        ("def mine(answer):\n    return 1\n", "raised TypeError.*'row-1'"),
    ],
)
def test_a_scorer_of_rows_that_goes_wrong_is_named_with_what_is_known(
    tmp_path: Path, code: str, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        declared(tmp_path, code)


def test_a_sealed_gate_shows_nothing_of_the_row_that_a_scorer_failed_on(tmp_path: Path) -> None:
    (tmp_path / "own_sealed.py").write_text("def mine(answer, row):\n    return row.reference\n")
    by_metric = scorers(None, Evaluate(scorers={"mine": "own_sealed:mine"}), tmp_path)
    with pytest.raises(DataError) as refused:
        score_all(by_metric, ["a"], [row("secret")], sealed=True)
    assert "secret" not in str(refused.value)
    assert "row-7" not in str(refused.value)
    assert "returned a str on gate rows" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("not_there:mine", "is no module of this workspace"),
        ("timeit:timeit", "is no module of this workspace"),
        ("os.path:join", "is no module of this workspace"),
        ("jsonschema_rs:is_valid", "is no module of this workspace"),
        ("own_import:timeit", "only imports 'timeit'"),
        ("own_star:timeit", "only imports 'timeit'"),
        ("json:mine", "is shadowed by another module"),
        ("build.own_made:mine", "lies below build"),
        ("own_hidden:mine", r"lies below \.venv"),
        ("own_folder:mine", "is no module of this workspace"),
        ("own_ok:missing", "has no function"),
        ("own_broken:mine", "raised ZeroDivisionError"),
        ("own_link:mine", "leaves the workspace"),
    ],
)
def test_a_scorer_that_cannot_be_loaded_is_refused_with_the_reason(
    tmp_path: Path, name: str, says: str
) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "own_ok.py").write_text("mine = max\n")
    (root / "own_broken.py").write_text("1 / 0\n")
    (tmp_path / "outside.py").write_text("mine = max\n")
    (root / "own_link.py").symlink_to(tmp_path / "outside.py")
    (root / "own_import.py").write_text("from timeit import timeit\n")
    (root / "own_star.py").write_text("from timeit import *\n")
    (root / "json.py").write_text("def mine(a, b): return 1\n")
    (root / "own_folder").mkdir()
    for folder, file in (("build", "own_made.py"), (".venv", "hidden.py")):
        (root / folder).mkdir()
        (root / folder / file).write_text("def mine(a, b): return 1\n")
    (root / "own_hidden.py").symlink_to(root / ".venv" / "hidden.py")
    policy = Evaluate()
    object.__setattr__(policy, "scorers", {"mine": name})
    with pytest.raises(ParamsError, match=says) as refused:
        scorers(None, policy, root)
    assert refused.value.remedy


def test_two_workspaces_may_have_scorers_of_the_same_name(tmp_path: Path) -> None:
    for home, value in [("one", 1), ("two", 2)]:
        package = tmp_path / home / "own_alike"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "part.py").write_text(f"def mine(a, b):\n    return {value}\n")
    for home, value in [("one", 1), ("two", 2), ("one", 1)]:
        root = tmp_path / home
        assert function_file("own_alike.part:mine", root).is_relative_to(root)
        assert load_function("own_alike.part:mine", root)("", "") == value


def test_a_scorer_changed_while_the_process_lives_is_read_anew(tmp_path: Path) -> None:
    for value in [1, 23]:
        (tmp_path / "own_living.py").write_text(f"def mine(a, b):\n    return {value}\n")
        assert load_function("own_living:mine", tmp_path)("", "") == value


def test_a_changed_scorer_has_another_digest(tmp_path: Path) -> None:
    (tmp_path / "own_changed.py").write_text("def mine(a, b): return 1\n")
    before = function_digest("own_changed:mine", tmp_path)
    (tmp_path / "own_changed.py").write_text("def mine(a, b): return 2\n")
    assert function_digest("own_changed:mine", tmp_path) != before


def test_whatever_a_scorer_imports_from_the_workspace_is_part_of_its_digest(tmp_path: Path) -> None:
    texts = {
        "own_kit/__init__.py": "",
        "own_kit/mine.py": "from . import words\nimport json\ndef mine(a, b): return words.N\n",
        "own_kit/words/__init__.py": "from ..deep import N\n",
        "own_kit/deep.py": "def f():\n    import own_late\nfrom own_loop import N\n",
        "own_loop.py": "import own_kit.mine\nN = 1\n",
        "own_late.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "stranger.py").write_text("")
    digests = [function_digest("own_kit.mine:mine", tmp_path)]
    for name in texts:
        (tmp_path / name).write_text(texts[name] + "# changed\n")
        digests.append(function_digest("own_kit.mine:mine", tmp_path))
    assert len(set(digests)) == len(texts) + 1
    (tmp_path / "stranger.py").write_text("# changed\n")
    assert function_digest("own_kit.mine:mine", tmp_path) == digests[-1]


def test_a_scorer_may_come_from_another_file_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "own_parts.py").write_text("def mine(a, b): return 1\n")
    (tmp_path / "own_whole.py").write_text("from own_parts import *\n")
    (tmp_path / "own_named.py").write_text("from own_parts import mine as yours\n")
    assert load_function("own_whole:mine", tmp_path)("", "") == 1
    assert load_function("own_named:yours", tmp_path)("", "") == 1


def test_a_change_of_pawls_scoring_code_changes_its_digest(tmp_path: Path) -> None:
    package = tmp_path / "pawl"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = scoring_code(package)
    section = Task("d", BaseRef("b"), Check(), Split("s"), Train(), Evaluate(), Gate())
    assert without_moves(before) == scoring_inputs(section, tmp_path)["code"]
    for name in (
        "core/calls.py",
        "model/tokenizer.py",
        "evaluate/fields.py",
        "evaluate/decode.py",
        "evaluate/general.txt",
    ):
        with (package / name).open("a") as file:
            file.write("# changed\n")
        after = scoring_code(package)
        assert {k for k in after if after[k] != before[k]} == {name}
        before = after


def test_all_that_scoring_imports_counts_but_for_what_is_named_with_a_reason() -> None:
    code = scoring_code()
    everything = local_sources("pawl.evaluate.run", PACKAGE / ENTRY, PACKAGE.parent)
    imported = {path.relative_to(PACKAGE).as_posix() for path in everything.values()}
    sources = {name for name in code if name.endswith(".py")}
    assert imported >= ASIDE, "what is named is imported still"
    # Besides, what only they import.
    assert sources <= imported - ASIDE
    # How calls are written and compared fell out of the list that this was before.
    assert {"core/calls.py", "model/tokenizer.py", "evaluate/lookup.py"} <= sources
    assert "evaluate/general.txt" in code


def test_a_module_that_scoring_comes_to_import_counts_from_then_on(tmp_path: Path) -> None:
    package = tmp_path / "pawl"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "core" / "new_rule.py").write_text("RULE = 1\n")
    with (package / "evaluate" / "scorers.py").open("a") as file:
        file.write("def later() -> None:\n    from pawl.core.new_rule import RULE\n")
    assert "core/new_rule.py" in scoring_code(package)


def test_code_that_only_moved_since_0_1_keeps_its_digests_and_changed_code_has_its_own(
    tmp_path: Path,
) -> None:
    code = scoring_code()
    assert without_moves(code) != code, (
        "the scoring code changed: fingerprints are new from now on, so delete without_moves and "
        "scoring_code_0_1.json, or, if nothing is scored otherwise, put its new digest there"
    )
    changed = code | {"evaluate/fields.py": "0" * 64}
    assert without_moves(changed) == changed


def test_the_mean_of_nothing_raises() -> None:
    with pytest.raises(DataError):
        mean([])
