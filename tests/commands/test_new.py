"""`pawl new` writes a section that fits rows and base, or leaves the workspace as it was."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pawl.commands.answer_kind import judged_by
from pawl.commands.init import init
from pawl.commands.new import new_task
from pawl.commands.sources import Sources, named_columns
from pawl.config.load import read_params
from pawl.core.files import write_lines
from pawl.core.records import Champion, Message
from pawl.data.read.examples import read_examples
from pawl.errors import BaseError, DataError, PawlError, UsageError
from pawl.ledger.held_out import store_new_rows
from pawl.ledger.ledger import append
from pawl.ledger.state import read_state
from pawl.model.prompt import completion_tokens, prompt_tokens
from pawl.store.client import open_store
from pawl.workspace.paths import Workspace

COMMENTED = """\
# The tasks of our team.
release: {keep: 2}  # disk is dear
tasks:
  # asked for by Ada
  old:
    data: data/old.jsonl  # weekly
    base: {model: BASE}
    check: {}
    split: {salt: s}
    train: {}
    evaluate: {}
    gate: {alpha: 0.01}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return init(tmp_path_factory.mktemp("new") / "workspace").root


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(made, tmp_path / "workspace"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    texts = (f"order {i:03} is {'very ' * (i % 7)}late" for i in range(99))
    write_lines(path, ({"prompt": text, "completion": f"late: {text[:9]}"} for text in texts))
    return path


def contents(workspace: Workspace) -> dict[str, bytes]:
    """All files but DVC's own state."""
    files = (path for path in workspace.root.rglob("*") if path.is_file())
    named = {path.relative_to(workspace.root).as_posix(): path.read_bytes() for path in files}
    return {name: data for name, data in named.items() if not name.startswith(".dvc/")}


def test_the_lengths_of_a_new_section_fit_every_row(
    workspace: Workspace, rows: Path, base_folder: Path, tokenizer: Any
) -> None:
    written = new_task(workspace, "late", Sources(rows, base=str(base_folder))).section
    task = read_params(workspace.params_file).task("late")
    assert (task.data, task.base.model) == (written["data"], str(base_folder))
    for line in rows.read_text().splitlines():
        row = json.loads(line)
        answer = len(completion_tokens(tokenizer, row["completion"]))
        prompt = len(prompt_tokens(tokenizer, [Message("user", row["prompt"])]))
        assert 2 * answer <= task.evaluate.max_new_tokens, "who is only prompted is wordier"
        assert prompt + answer <= task.train.max_length
    assert task.check.min_rows <= 99
    workspace.checked_task("late")


@pytest.mark.parametrize("window", [1024, 128])
def test_a_wordier_answer_than_any_reference_is_not_cut_off_where_the_window_holds_it(
    workspace: Workspace, tmp_path: Path, base_folder: Path, tokenizer: Any, window: int
) -> None:
    base = shutil.copytree(base_folder, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": window}))
    rows = tmp_path / "long.jsonl"
    prompt, answer = f"order 100 {'late ' * 40}", "late " * 50
    write_lines(
        rows,
        ({"prompt": prompt.replace("100", f"{n:03}"), "completion": answer} for n in range(99)),
    )
    new_task(workspace, "t", Sources(rows, base=str(base)))
    reference = len(completion_tokens(tokenizer, answer))
    room = window - len(prompt_tokens(tokenizer, [Message("user", prompt)]))
    allowed = workspace.task("t").evaluate.max_new_tokens
    assert reference <= allowed <= room
    assert 2 * reference <= allowed or allowed == room < 2 * reference


@pytest.mark.parametrize(("window", "shots"), [(2048, {4}), (80, {1, 2, 3}), (40, {0})])
def test_the_few_shot_baseline_of_a_new_task_fits_in_the_bases_window(
    workspace: Workspace, tmp_path: Path, base_folder: Path, window: int, shots: set[int]
) -> None:
    base = shutil.copytree(base_folder, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": window}))
    rows = tmp_path / "short.jsonl"
    texts = (f"order {i:03} is late" for i in range(99))
    write_lines(rows, ({"prompt": text, "completion": "late"} for text in texts))
    new_task(workspace, "t", Sources(rows, base=str(base)))
    assert workspace.task("t").evaluate.shots in shots
    assert workspace.task("t").train.max_length <= window


def test_the_recipe_of_a_new_task_is_in_its_section_with_its_reason_above_it(
    workspace: Workspace, rows: Path, base_folder: Path
) -> None:
    made = new_task(workspace, "late", Sources(rows, base=str(base_folder)))
    train = workspace.task("late").train
    assert (train.learning_rate, train.alpha, train.epochs) == (0.002, 16, 10)
    assert (train.keep, train.patience) == ("best", 3)
    assert "llama, 256 wide: rate 0.002, alpha 16; about 51 train rows" in made.recipe
    text = workspace.params_file.read_text()
    above, _, _ = text.partition("    train:\n      rank")
    comment = [line.strip(" #") for line in above.splitlines() if line.startswith("    #")]
    assert " ".join(comment) == f"{made.recipe} (docs: recipes)"
    assert max(map(len, text.splitlines())) <= 100
    # The next task's section leaves it where it is.
    new_task(workspace, "later", Sources(rows, base=str(base_folder)))
    assert workspace.params_file.read_text().startswith(text)


@pytest.mark.parametrize(("count", "share"), [(80, 0.4), (140, 0.29), (200, 0.2), (900, 0.2)])
def test_of_few_rows_a_larger_share_is_held_out_so_that_the_gate_can_judge(
    workspace: Workspace, tmp_path: Path, count: int, share: float
) -> None:
    rows = tmp_path / "few.jsonl"
    write_lines(
        rows, ({"prompt": f"order {i} is late", "completion": "late"} for i in range(count))
    )
    made = new_task(workspace, "few", Sources(rows, base="base/tiny"))
    assert made.section["split"]["gate"] == share
    assert any(f"split.gate is {share}" in line for line in made.understood) == (share > 0.2)


def test_the_next_delivery_may_have_rows_half_as_long_again(
    workspace: Workspace, tmp_path: Path, base_folder: Path
) -> None:
    lengths = {"short": [20] * 99, "long": [210] * 99, "outlier": [20] * 199 + [210]}
    for name, words in lengths.items():
        rows = tmp_path / f"{name}.jsonl"
        texts = (f"order {n:03} {'very ' * count}late" for n, count in enumerate(words))
        write_lines(rows, ({"prompt": text, "completion": "late"} for text in texts))
        made = new_task(workspace, name, Sources(rows, base=str(base_folder)))
        length = workspace.task(name).train.max_length
        # No pack of a training is smaller than 512 tokens, so that less would save nothing.
        assert length == (512 if name == "short" else 672)
        assert ("99 in 100 up to" in made.recipe) == (name == "outlier")
        assert f"max_length {length} of 1,024" in made.recipe


def test_rows_longer_than_the_bases_window_are_refused_before_anything_is_written(
    workspace: Workspace, rows: Path, base_folder: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(base_folder, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 16}))
    before = contents(workspace)
    with pytest.raises(DataError, match="of 99 rows are longer than") as refused:
        new_task(workspace, "late", Sources(rows, base=str(base)))
    assert "the base's window of 16 tokens" in refused.value.found
    assert "--drop-long" in str(refused.value.remedy)
    assert contents(workspace) == before


@pytest.mark.parametrize(
    ("schema", "held", "says"),
    [
        ('{"properties": {"a": {}, "b": {}}}', "baselines", "prompts are held to the schema"),
        ('{"properties": {"b": {}, "a": {}}}', "none", "could not write 99 of 99 rows' answers"),
        ('{"not": {"required": ["c"]}}', "none", '"not"'),
    ],
)
def test_a_new_tasks_prompts_are_held_to_its_schema_where_they_can_be(
    workspace: Workspace, tmp_path: Path, base_folder: Path, schema: str, held: str, says: str
) -> None:
    path, rows = tmp_path / "s.json", tmp_path / "rows.jsonl"
    path.write_text(schema)
    write_lines(
        rows, ({"prompt": f"order {n}", "completion": f'{{"a": {n}, "b": 1}}'} for n in range(99))
    )
    made = new_task(workspace, "t", Sources(rows, path, base=str(base_folder)))
    assert workspace.task("t").evaluate.schema_decoding == held
    assert any(says in line for line in made.understood)


def test_the_rows_of_a_new_task_are_tracked_by_dvc_and_its_other_files_copied(
    workspace: Workspace, rows: Path, base_folder: Path, tmp_path: Path
) -> None:
    schema, prompt = tmp_path / "s.json", tmp_path / "p.md"
    schema.write_text('{"type": "string"}')
    prompt.write_text("Answer shortly.")
    new_task(workspace, "late", Sources(rows, schema, prompt, str(base_folder)))
    task = workspace.task("late")
    assert (workspace.root / str(task.schema)).read_text() == schema.read_text()
    assert (workspace.root / str(task.prompt)).read_text() == prompt.read_text()
    assert (workspace.root / task.data).read_bytes() == rows.read_bytes()
    assert (workspace.root / f"{task.data}.dvc").is_file()
    command = [sys.executable, "-m", "dvc", "status", "--quiet", f"{task.data}.dvc"]
    assert subprocess.run(command, cwd=workspace.root, check=False).returncode == 0


def test_comments_order_and_other_tasks_in_params_yaml_survive(
    workspace: Workspace, rows: Path, base_folder: Path
) -> None:
    before = COMMENTED.replace("BASE", str(base_folder))
    workspace.params_file.write_text(before)
    new_task(workspace, "late", Sources(rows))
    after = workspace.params_file.read_text()
    assert after.startswith(before)
    assert list(read_params(workspace.params_file).tasks) == ["old", "late"]
    assert workspace.task("late").base.model == str(base_folder), "the one that tasks share"


def judged(workspace: Workspace, task: str, rows: Path) -> None:
    """Put a look on record at 20 gate rows, as a cycle of the task would."""
    store, split = open_store(workspace), f"{task}/{task}-1"
    gate = read_examples(rows, rows.name).examples[:20]
    cost = {"level": 1e-3, "alpha": 0.05, "since": 1, "rows": 20}
    details = {"lineage": split, "question": "q", "of": 20, **cost}
    details |= store_new_rows(store, task, split, {"gate": gate})
    append(store, task, kind="look", expected=Champion(), who="Ada", why="", details=details)


def test_the_same_data_under_a_new_name_is_recognised_and_its_history_carried_over(
    workspace: Workspace, rows: Path, base_folder: Path
) -> None:
    alone = new_task(workspace, "late", Sources(rows, base=str(base_folder)))
    judged(workspace, "late", rows)
    again = new_task(workspace, "later", Sources(rows))
    told = "'late' was judged on 20 of these rows: `--continues late` counts its looks"
    assert told not in alone.understood
    assert told in again.understood
    file = workspace.params_file
    file.write_text(file.read_text().replace("dev: 0.08", "dev: 0.1", 1))
    before = contents(workspace)
    for continues, says in (("nobody", "there is no task 'nobody'"), ("later", "not been judged")):
        with pytest.raises(UsageError, match=says):
            new_task(workspace, "latest", Sources(rows), continues=continues)
        assert {k: v for k, v in contents(workspace).items() if ".pawl" not in k} == {
            k: v for k, v in before.items() if ".pawl" not in k
        }
    made = new_task(workspace, "latest", Sources(rows), continues="late")
    assert made.section["split"] == {"salt": "late-1", "dev": 0.1, "gate": 0.4}
    assert not any("counts its looks" in text for text in made.understood)
    assert not any("split.gate" in text for text in made.understood)
    state = read_state(open_store(workspace), "latest")
    assert [entry.details["question"] for entry in state.looks["latest/late-1"]] == ["q"]


def test_a_schema_that_lies_at_its_place_already_is_used_and_not_lost(
    workspace: Workspace, rows: Path, base_folder: Path
) -> None:
    schema = workspace.root / "data" / "late.schema.json"
    schema.write_text('{"type": "string"}')
    with pytest.raises(BaseError):
        new_task(workspace, "late", Sources(rows, schema, base="./nowhere"))
    new_task(workspace, "late", Sources(rows, schema, base=str(base_folder)))
    assert schema.read_text() == '{"type": "string"}'
    assert workspace.task("late").schema == "data/late.schema.json"


def test_a_base_that_may_think_before_it_answers_is_told_not_to(
    workspace: Workspace, rows: Path, base_folder: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(base_folder, tmp_path / "base")
    template = (base / "chat_template.jinja").read_text()
    thinks = "{% if enable_thinking is defined and not enable_thinking %}never{% endif %}"
    (base / "chat_template.jinja").write_text(template + thinks)
    new_task(workspace, "late", Sources(rows, base=str(base)))
    assert workspace.task("late").base.template == {"enable_thinking": False}
    new_task(workspace, "plain", Sources(rows, base=str(base_folder)))
    assert "template" not in workspace.params_file.read_text().partition("plain:")[2]


REFUSED: dict[str, tuple[type[PawlError], str, str]] = {
    "a bad name": (UsageError, "Late!", "lower-case letters"),
    "a task that exists": (UsageError, "old", "the task 'old' exists already"),
    "a data file that exists": (UsageError, "late", "data/late.jsonl exists already"),
    "a pointer to data that was not pulled": (
        UsageError,
        "late",
        "data/late.jsonl.dvc exists already",
    ),
    "a schema that exists": (UsageError, "late", "data/late.schema.json exists already"),
    "no rows": (UsageError, "late", "rows.jsonl is not there"),
    "no schema": (UsageError, "late", "s.json is not there"),
    "no prompt": (UsageError, "late", "p.md is not there"),
    "a broken schema": (DataError, "late", "s.json is not a JSON Schema"),
    "a bad row": (DataError, "late", "rows.jsonl:100"),
    "an unknown format": (DataError, "late", ".jsonl"),
    "no such base": (BaseError, "late", "./nowhere"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_become_a_task_is_refused_and_leaves_nothing_behind(
    workspace: Workspace, rows: Path, base_folder: Path, tmp_path: Path, case: str
) -> None:
    kind, name, says = REFUSED[case]
    workspace.params_file.write_text(COMMENTED.replace("BASE", str(base_folder)))
    schema, prompt, base = tmp_path / "s.json", tmp_path / "p.md", str(base_folder)
    schema.write_text('{"type": "string"}')
    prompt.write_text("Answer shortly.")
    match case:
        case "a pointer to data that was not pulled":
            (workspace.root / "data" / "late.jsonl.dvc").write_text("outs: []")
        case "a data file that exists":
            (workspace.root / "data" / "late.jsonl").write_text("mine")
        case "a schema that exists":
            (workspace.root / "data" / "late.schema.json").write_text("mine")
        case "no rows":
            rows.unlink()
        case "no schema":
            schema.unlink()
        case "no prompt":
            prompt.unlink()
        case "a broken schema":
            schema.write_text('{"type": "strnig"}')
        case "a bad row":
            rows.write_text(rows.read_text() + '{"prompt": "no completion"}\n')
        case "an unknown format":
            rows = rows.rename(tmp_path / "rows.xml")
        case "no such base":
            base = "./nowhere"
    before = contents(workspace)
    with pytest.raises(kind) as refused:
        new_task(workspace, name, Sources(rows, schema, prompt, base))
    assert says in str(refused.value)
    assert refused.value.remedy
    assert contents(workspace) == before


def test_where_dvc_fails_nothing_is_left_behind(
    workspace: Workspace, rows: Path, base_folder: Path
) -> None:
    shutil.rmtree(workspace.root / ".dvc")
    before = contents(workspace)
    with pytest.raises(UsageError, match="dvc add"):
        new_task(workspace, "late", Sources(rows, base=str(base_folder)))
    assert contents(workspace) == before


def test_the_first_task_of_a_workspace_needs_a_base_by_name(
    workspace: Workspace, rows: Path
) -> None:
    with pytest.raises(UsageError, match="no base was named") as refused:
        new_task(workspace, "late", Sources(rows))
    assert "--base" in refused.value.remedy


def test_rows_beyond_the_window_are_named_and_left_out_by_a_flag(
    workspace: Workspace, rows: Path, base_folder: Path
) -> None:
    lines = rows.read_text()
    long = json.dumps({"id": "long", "prompt": "order " * 3000, "completion": "late: x"})
    rows.write_text(f"{lines}{long}\n")
    made = new_task(workspace, "late", Sources(rows, base=str(base_folder), drop_long=True))
    assert any("1 of 100 rows" in line and "long (" in line for line in made.understood)
    task = workspace.task("late")
    assert task.check.drop_long
    assert task.train.max_length < 600


@pytest.mark.parametrize(
    ("answer", "metric", "floors"),
    [
        ("late", "exact_match", 1),
        ('{{"order": {n}}}', "exact_match", 1),
        ("Order {n} is on its way, and will be with you tomorrow.", "char_error", 0),
        ("Order {n} is on its way. " * 12, "perplexity", 0),
    ],
)
def test_answers_are_judged_by_what_a_model_can_reach(
    tmp_path: Path, answer: str, metric: str, floors: int
) -> None:
    path = tmp_path / "rows.jsonl"
    row = ({"prompt": f"order {n}", "completion": answer.format(n=n)} for n in range(50))
    write_lines(path, row)
    gate, why = judged_by(read_examples(path, path.name).examples)
    assert (gate["metric"], len(gate["floors"])) == (metric, floors)
    assert ("no model gives" in why) == (not floors)


def test_a_new_task_shows_rows_with_what_is_taught_and_none_with_a_secret(
    workspace: Workspace, tmp_path: Path, base_folder: Path
) -> None:
    path = tmp_path / "chats.jsonl"
    turns = ["How are you?", "Well.", "My key is AKIAIOSFODNN7REALKEY", "Noted."]
    roles = ("user", "assistant") * 2
    chats = [
        {"messages": [{"role": r, "content": t.replace("My key is AKIAIOSFODNN7REALKEY", f"Is {n}?")
                       if n else t} for r, t in zip(roles, turns, strict=True)], "note": [n]}
        for n in range(20)
    ]  # fmt: skip
    write_lines(path, chats)
    made = new_task(workspace, "chats", Sources(path, base=str(base_folder)))
    assert "key `note` is not shown to the model (20 rows)" in made.understood
    assert ".jsonl: 40 rows, 40 answers taught" in made.understood, "all end in the same words"
    shown = [part for row in made.preview for part in row.parts]
    assert made.preview
    assert "AKIA" not in repr(made.preview)
    assert all(part.text.endswith("<|end|>") for part in shown if part.taught)


def test_columns_that_are_no_names_are_refused() -> None:
    assert named_columns("prompt=a b,completion=c") == {"prompt": "a b", "completion": "c"}
    for text in ("prompt", "question=a", "prompt=a", "system=a"):
        with pytest.raises(UsageError, match="--columns") as caught:
            named_columns(text)
        assert caught.value.remedy
