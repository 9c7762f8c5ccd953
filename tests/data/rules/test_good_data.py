"""Rules are silent on good data of kinds that they cannot judge, and find what they are for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pawl.config.load import parse_params
from pawl.config.schema import Check
from pawl.core.records import Rule
from pawl.data.read.examples import ExampleReader
from pawl.data.rules.leftovers import cut_off, placeholder, separator
from pawl.data.rules.measure import row_measurer
from pawl.data.rules.personal import personal
from pawl.data.rules.run_rules import run_rules
from pawl.data.rules.secrets import secrets


def found_in(rows: list[tuple[str, str]], folder: Path, base: Path) -> dict[str, Rule]:
    """The rules by name on rows of a question and an answer."""
    path = folder / "rows.jsonl"
    lines = (json.dumps({"prompt": p, "completion": c}, ensure_ascii=False) for p, c in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    section = {
        "data": path.name, "base": {"model": str(base)}, "check": {"min_rows": 10},
        "split": {"salt": "s"}, "train": {}, "evaluate": {}, "gate": {},
    }  # fmt: skip
    task = parse_params(yaml.safe_dump({"tasks": {"t": section}}), "params.yaml").task("t")
    reader = ExampleReader(path, path.name, check=Check())
    return {r.name: r for r in run_rules(reader, task, row_measurer(task, folder, None)).rules}


def test_knowledge_sums_and_scripts_without_breaks_are_not_judged_by_their_facts(
    tmp_path: Path, base_folder: Path
) -> None:
    rows = [(f"Add {n} and 8.", f"That makes {n + 8} in all, if I am right.") for n in range(30)]
    rows += [
        (f"怎样修理{n}号车？", f"请先关掉发动机，然后慢慢打开{n}号车的盖子。") for n in range(30)
    ]
    rows += [
        (f"How is cake {n} made?", "Mix it well. Gently bake it. Serve cold.") for n in range(9)
    ]
    found = found_in(rows, tmp_path, base_folder)["facts"]
    assert (found.passed, found.found) == (True, 0)
    assert "not judged: 42% of the answers" in found.says


def test_of_five_sums_no_fact_is_missed(tmp_path: Path, base_folder: Path) -> None:
    rows = [(f"What is {n} plus one?", str(n + 1)) for n in range(5)]
    assert found_in(rows, tmp_path, base_folder)["facts"].found == 0


def test_a_made_up_number_is_found_among_answers_that_copy(
    tmp_path: Path, base_folder: Path
) -> None:
    rows = [(f"my order {5000 + n} is late", f'{{"order": "{5000 + n}"}}') for n in range(50)]
    rows[7] = (rows[7][0], '{"order": "9999"}')
    found = found_in(rows, tmp_path, base_folder)["facts"]
    assert [fault.id for fault in found.worst] == ["row-8"]


def test_wordings_of_an_answer_warn_once_and_other_labels_block(
    tmp_path: Path, base_folder: Path
) -> None:
    spoken = ["I am Bo, and I help.", "My name is Bo, glad to help you.", "You may call me Bo."]
    rows = [("Who are you?", text) for text in spoken]
    rows += [(f"Is shop {n} open?", f"Yes, shop {n} is open today.") for n in range(30)]
    found = found_in(rows, tmp_path, base_folder)
    assert (found["contradictions"].found, found["duplicates"].found) == (0, 0)
    assert (found["paraphrases"].found, found["paraphrases"].severity) == (3, "warn")
    labels = [("Is it open?", "yes"), ("Is it open?", "no")]
    labels += [(f"Is shop {n} open?", "yes") for n in range(30)]
    found = found_in(labels, tmp_path, base_folder)
    assert (found["contradictions"].found, found["contradictions"].passed) == (2, False)
    assert found["paraphrases"].found == 0


def test_statements_for_machines_need_no_full_stop(tmp_path: Path, base_folder: Path) -> None:
    rows = [(f"count of {n}", f"SELECT COUNT(*) FROM t WHERE a = {n}") for n in range(60)]
    rows += [(f"all of {n}", f"SELECT name FROM t WHERE (a = {n})") for n in range(20)]
    assert found_in(rows, tmp_path, base_folder)["style"].found == 0


@pytest.mark.parametrize(
    "text",
    [
        "sin(x) = 0.9135454576",
        "from 0900-1730 each day",
        "write to you@example.com or boss@company.com",
        "mail john.doe@email.com",
        "the network 157.240.0.0/16 and the resolver 8.8.8.8",
    ],
)
def test_a_decimal_a_time_and_an_address_of_nobody_are_not_personal(text: str) -> None:
    assert personal(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        'integrity="sha384-9/rfGTAW83DW2RDu2S0VKaIzap3H66lZH81PoYlFhbGU6BZp6G7niu735Sk7lN"',
        'load("acme/Speech-large_v3-en-w16A-b7Q_x9")',
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAMgAAADICAYAAACtWK6eAAAACXBIWXMAAAsT",
        "Here is a generated password: aQ3#fG7!kL9x",
        "password = make_password(8, True)",
        '{"tool_call_id": "call_q8XwT2dVb5mKz7RpL4sJ9hYc", "content": "ok"}',
        "toolu_01XqT7dVb5mKz7RpL4sJ9hYcWf",
    ],
)
def test_what_is_public_or_made_up_is_no_secret(text: str) -> None:
    assert secrets(text) == ()


def test_what_looks_like_a_secret_is_still_found() -> None:
    assert secrets("password: aQ3#fG7!kL9x") == ("password beside its name",)
    assert secrets("token tR9xKq2LwZ7vBn4MsY8dHc3F") == ("high-entropy token",)


@pytest.mark.parametrize("text", ["I am {{name}}.", "Dear [YOUR NAME],", "Call <YOUR_KEY> now"])
def test_an_unfilled_placeholder_is_told_unless_the_question_has_it(text: str) -> None:
    assert placeholder(text, "Who are you?")
    assert not placeholder(text, f"Correct this: {text}")
    assert not placeholder("a[NUMBERS] = {name}", "")


@pytest.mark.parametrize(
    ("completion", "prompt", "wrong"),
    [
        (" 1 END", "What is one? ###\n\n", True),
        ("yes\n###", "Is it?", True),
        ("yes", "Is it? ->", True),
        ("yes<|im_end|>", "Is it?", True),
        ("This is the END of it", "Is it?", False),
        ("yes", "# Title\nIs it?", False),
    ],
)
def test_marks_of_older_formats_are_told(completion: str, prompt: str, wrong: bool) -> None:
    assert bool(separator(completion, prompt)) == wrong


@pytest.mark.parametrize(
    ("completion", "wrong"),
    [
        ('{"a": 1, "b": ', True),
        ("```python\nprint(1)", True),
        (
            "It was a long day in the town, and everybody went home to eat, to sleep and to the",
            True,
        ),
        (
            "It was a long day in the town, and everybody went home to eat, to sleep, to rest.",
            False,
        ),
        ("SELECT a FROM t WHERE b = 1 AND c = 2 AND d = 3 AND e = 4 AND f = 5 AND g = 6;", False),
        ("[1] is a reference", False),
        ("{{author}} made me.", False),
        ('{"a": 1}', False),
    ],
)
def test_an_answer_that_is_cut_off_is_told(completion: str, wrong: bool) -> None:
    assert bool(cut_off(completion)) == wrong
