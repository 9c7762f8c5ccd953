"""Every contender answers the same rows in one run; cached answers change nothing but the time.

The adapters are real but untrained: small random weights on the tiny base.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import shutil
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from pawl.config.code_digest import PACKAGE, scoring_code
from pawl.config.judging import Evaluate
from pawl.core.files import read_lines, write_json, write_lines
from pawl.core.records import (
    AdapterManifest,
    BaseInfo,
    Champion,
    EvalReport,
    Example,
    Message,
    SplitReport,
    Timing,
    read_record,
    read_rows,
    write_record,
)
from pawl.core.row_identity import row_hashes
from pawl.core.sealing import seal
from pawl.data.inputs import inputs
from pawl.errors import BaseError, DataError, ParamsError
from pawl.evaluate import answer_cache, judging, run
from pawl.evaluate.answer_cache import cached_or_decoded, contender_key, row_key
from pawl.evaluate.answers import SAMPLE
from pawl.evaluate.baselines import Prompts
from pawl.evaluate.decode import Answer
from pawl.evaluate.drafted import Drafted
from pawl.evaluate.external_inputs import external_inputs
from pawl.evaluate.moved_champion import planned_move
from pawl.evaluate.preflight import planned_judging, preflight
from pawl.evaluate.run import evaluate
from pawl.gate.decide import decide
from pawl.gate.run import read_evidence
from pawl.model.adapter import read_adapter
from pawl.model.base import find_base, load_base
from pawl.model.device import LIBRARIES, Device
from pawl.train.qlora import adapted, save
from pawl.workspace.fingerprints import evaluation_fingerprint, scorer_code
from pawl.workspace.paths import TaskFiles, Workspace

TASK = "tickets"


@pytest.fixture(scope="module")
def ready_template(split_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ready to be evaluated: a candidate, a champion, and a look reserved for the two."""
    root = tmp_path_factory.mktemp("ready") / "workspace"
    shutil.copytree(split_template, root, symlinks=True)
    workspace = Workspace(root)
    files = workspace.files(TASK)
    # Random adapters end no answer: the shorter, the sooner.
    text = workspace.params_file.read_text(encoding="utf-8")
    text = re.sub(r"max_new_tokens: \d+", "max_new_tokens: 12", text)
    workspace.params_file.write_text(text, encoding="utf-8")
    external_inputs(workspace, TASK)
    put_adapter(workspace, files.adapter, seed=1)
    put_adapter(workspace, files.champion / "adapter", seed=2)
    champion = Champion(1, read_adapter(files.champion / "adapter").digest)
    write_record(files.champion / "champion.json", champion)
    reserve(workspace)
    return root


@pytest.fixture
def ready(ready_template: Path, tmp_path: Path) -> Workspace:
    root = tmp_path / "workspace"
    shutil.copytree(ready_template, root, symlinks=True)
    return Workspace(root)


def reserve(workspace: Workspace) -> None:
    """Write the look that the flow would reserve for what is in build/ now."""
    files = workspace.files(TASK)
    champion = read_record(files.champion / "champion.json", Champion)
    question = evaluation_fingerprint(workspace, TASK, champion)
    write_json(files.look, {"look": {"number": 1, "of": 3, "question": question, "level": 0.01}})


def put_adapter(workspace: Workspace, folder: Path, *, seed: int) -> None:
    """Write an adapter with small random weights, saved as training saves one."""
    section, files = workspace.task(TASK), workspace.files(TASK)
    model = adapted(load_base(find_base(section.base, workspace.root)), section.train)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.02, generator=generator)
    train = read_rows(files.splits / "train.jsonl")
    manifest = AdapterManifest(
        task=TASK,
        base=read_record(files.base, BaseInfo),
        data=read_record(files.splits / "manifest.json", SplitReport).data,
        rank=section.train.rank,
        params={},
        trained_on=tuple(sorted(row.key for row in train)),
        files={},
    )
    save(model, manifest, folder)


def put_gate(files: TaskFiles, rows: list[Example]) -> None:
    """Replace the gate rows of the split stage."""
    write_lines(files.splits / "gate.jsonl", map(dataclasses.asdict, rows))
    report = read_record(files.splits / "manifest.json", SplitReport)
    counted = dataclasses.replace(report, rows={**report.rows, "gate": len(rows)})
    write_record(files.splits / "manifest.json", counted)


def edit(workspace: Workspace, old: str, new: str) -> None:
    text = workspace.params_file.read_text(encoding="utf-8")
    assert old in text
    workspace.params_file.write_text(text.replace(old, new, 1), encoding="utf-8")


def evidence(workspace: Workspace) -> dict[str, bytes]:
    """The files that a verdict is derived from, as bytes by name."""
    folder = workspace.files(TASK).eval
    return {name: (folder / name).read_bytes() for name in ("rows.jsonl", "report.json")}


def read(workspace: Workspace) -> tuple[EvalReport, Timing, list[dict[str, Any]]]:
    folder = workspace.files(TASK).eval
    report = read_record(folder / "report.json", EvalReport)
    timing = read_record(folder / "timing.json", Timing)
    return report, timing, list(read_lines(folder / "rows.jsonl"))


@pytest.mark.slow
def test_cached_answers_give_the_same_bytes_and_only_a_new_candidate_is_decoded(
    ready: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []
    monkeypatch.setattr(
        judging,
        "load_base",
        lambda folder, **how: loaded.append(folder) or load_base(folder, **how),
    )
    evaluate(ready, TASK)
    assert len(loaded) == 1, "one base for all contenders"
    first, (report, timing, rows) = evidence(ready), read(ready)
    assert timing.kept == ()
    names = {c.name for c in report.contenders}
    assert {"candidate", "champion", "zero-shot", "few-shot"} <= names
    answered = {name: [r["id"] for r in rows if (r["contender"], r["split"]) == (name, "gate")]
             for name in names}  # fmt: skip
    assert len({tuple(ids) for ids in answered.values()}) == 1, "all answer the same rows"
    assert report.general.keys() == {"base", "candidate", "champion"}
    assert all({"perplexity", "output_tokens", "char_error"} <= r["values"].keys() for r in rows)
    assert not any("seconds" in r["values"] for r in rows)
    assert {"category", "urgency", "order"} == set(report.contenders[0].fields)

    evaluate(ready, TASK)
    assert evidence(ready) == first
    assert len(read(ready)[1].kept) == len(report.contenders)
    shutil.rmtree(ready.answers)
    evaluate(ready, TASK)
    assert evidence(ready) == first

    put_adapter(ready, ready.files(TASK).adapter, seed=3)
    reserve(ready)
    evaluate(ready, TASK)
    new = {"dev/candidate", "gate/candidate"}
    seconds = read(ready)[1].seconds_per_row
    assert set(read(ready)[1].kept) == set(seconds) - new

    # A truncated file is no answer: the rows are decoded again.
    for path in ready.answers.iterdir():
        path.write_text(path.read_text()[:-20])
    before = evidence(ready)
    evaluate(ready, TASK)
    assert evidence(ready) == before
    assert read(ready)[1].kept == ()


def test_any_part_that_decides_an_answer_changes_the_key(
    base_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = load_base(base_folder)

    def key(base: str = "b", adapter: str = "a", **more: int) -> str:
        policy = Evaluate(**more)
        return contender_key(model, policy, base_digest=base, adapter_digest=adapter)

    rows = [row_key([1, 2], [3]), row_key([1], [2, 3]), row_key([1, 2], [4]), row_key([3, 2], [3])]
    assert len(set(rows)) == len(rows)
    keys = [key(), key(base="c"), key(adapter="d"), key(max_new_tokens=9)]
    assert key(batch_size=9) == key(), "a row's answer is a row's, whatever its company"
    package = tmp_path / "pawl"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(answer_cache, "scoring_code", functools.partial(scoring_code, package))
    assert key() == keys[0]
    for name in ("evaluate/decode.py", "evaluate/drafted.py", "model/tokenizer.py"):
        with (package / name).open("a") as file:
            file.write("# changed\n")
        keys.append(key())
    assert len(set(keys)) == len(keys)


def test_of_rows_that_are_known_in_part_only_the_new_ones_are_decoded(tmp_path: Path) -> None:
    asked: list[list[int]] = []

    def decode(places: list[int]) -> list[Drafted]:
        asked.append(places)
        return [Drafted(Answer(f"answer {len(asked)}.{i}", 3, 0.5), 1.5) for i in places]

    first, whole = cached_or_decoded(tmp_path, "k", ["a", "b"], decode)
    assert not whole
    second, whole = cached_or_decoded(tmp_path, "k", ["c", "b", "d", "a"], decode)
    assert (asked, whole) == ([[0, 1], [0, 2]], False)
    assert [second[3], second[1]] == first
    again, whole = cached_or_decoded(tmp_path, "k", ["a", "c", "d"], decode)
    assert (again, whole) == ([first[0], second[0], second[2]], True)
    assert cached_or_decoded(None, "k", ["a"], decode)[1] is False
    assert asked[2:] == [[0]], "without a cache nothing is known"
    assert [path.name for path in tmp_path.iterdir()] == ["k.jsonl"]


@pytest.mark.slow
def test_seconds_are_a_metric_if_the_gate_judges_them_and_are_then_measured_anew(
    ready: Workspace,
) -> None:
    edit(ready, "      looks: 3", "      guards: {seconds: 0.5}\n      looks: 3")
    reserve(ready)
    for _ in range(2):
        evaluate(ready, TASK)
        _, timing, rows = read(ready)
        assert timing.kept == ()
        assert all(row["values"]["seconds"] > 0 for row in rows)


@pytest.mark.parametrize("who", ["adapter", "champion/adapter"])
def test_gate_rows_that_a_contender_was_trained_on_or_that_repeat_another_are_left_out_and_counted(
    ready: Workspace, who: str
) -> None:
    files = ready.files(TASK)
    gate = read_rows(files.splits / "gate.jsonl")
    message = Message("user", f"{gate[-1].messages[0].content} !")
    put_gate(
        files, [*gate, dataclasses.replace(gate[-1], id="again", key="1", messages=(message,))]
    )
    trained_on = {row.key for row in gate[:3]}
    retyped = dataclasses.replace(gate[3], key="0" * 16)
    manifest = files.root / who / "pawl.json"
    value = json.loads(manifest.read_text())
    value["trained_on"] = sorted({*value["trained_on"], *trained_on, *row_hashes(retyped)})
    manifest.write_text(json.dumps(value))
    reserve(ready)
    evaluate(ready, TASK)
    report, _, rows = read(ready)
    left = {row.id for row in gate if row.key not in {*trained_on, gate[3].key}}
    assert report.excluded == len(gate) + 1 - len(left) >= 5
    for contender in report.contenders:
        scored = {
            r["id"] for r in rows if r["contender"] == contender.name and r["split"] == "gate"
        }
        assert scored == left, contender.name
    verdict = decide(read_evidence(files), ready.task(TASK).gate, parents={})
    assert verdict.decision != "invalid", verdict.reasons
    assert f"{report.excluded} gate rows were left out" in verdict.reasons[-1]
    value["trained_on"] = sorted({*value["trained_on"], *(row.key for row in gate)})
    manifest.write_text(json.dumps(value))
    with pytest.raises(DataError, match=f"all {len(gate)} gate rows were trained on"):
        evaluate(ready, TASK)


def test_no_answer_of_a_sealed_gate_is_cached(ready: Workspace) -> None:
    edit(ready, "      looks: 3", "      disclosure: sealed\n      looks: 3")
    reserve(ready)
    evaluate(ready, TASK)
    assert not ready.answers.exists()


def test_a_sealed_gate_writes_nothing_in_the_clear_and_has_no_progress_bar(
    ready: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(ready, "      looks: 3", "      disclosure: sealed\n      looks: 3")
    reserve(ready)
    build = ready.files(TASK).root
    before = set(build.rglob("*"))
    there: list[Path] = []

    def watched(texts: dict[str, str]) -> dict[str, bytes]:
        # A process killed here leaves these files.
        there.extend(set(build.rglob("*")) - before)
        return seal(texts)

    monkeypatch.setattr(run, "seal", watched)
    evaluate(ready, TASK)
    assert [path for path in there if path.is_file()] == []
    left = ready.files(TASK).eval
    assert {path.name for path in left.iterdir()} == {"sealed.bin", "rows.jsonl"}
    assert {row["split"] for row in read_lines(left / "rows.jsonl")} == {"dev"}
    assert read_evidence(ready.files(TASK)).of("candidate")
    bars = [part for part in capsys.readouterr().err.split("\r") if "row/s" in part]
    assert bars
    assert all("dev: candidate" in bar for bar in bars)


def test_a_scorer_that_fails_on_a_sealed_gate_row_shows_neither_row_nor_answer(
    ready: Workspace,
) -> None:
    edit(ready, "      looks: 3", "      disclosure: sealed\n      looks: 3")
    edit(ready, "    evaluate:", "    evaluate:\n      scorers: {odd: 'own_odd:odd'}")
    gate = {row.completion for row in read_rows(ready.files(TASK).splits / "gate.jsonl")}
    dev = {row.completion for row in read_rows(ready.files(TASK).splits / "dev.jsonl")}
    for name, code, says in [
        ("own_raises", "raise KeyError(a + b)", "raised KeyError"),
        ("own_returns", "return a + b", "returned a str"),
    ]:
        (ready.root / f"{name}.py").write_text(
            f"GATE = {gate - dev!r}\n"
            f"def odd(a, b):\n    if b in GATE:\n        {code}\n    return 1\n"
        )
        edit(ready, "own_odd" if name == "own_raises" else "own_raises", name)
        reserve(ready)
        with pytest.raises(DataError, match=f"'odd' {says} on gate rows") as caught:
            evaluate(ready, TASK)
        trace = "".join(traceback.format_exception(caught.value))
        assert not [answer for answer in gate if answer in trace or repr(answer)[1:-1] in trace]


@pytest.mark.slow
def test_another_base_answers_the_same_rows_and_need_not_be_beaten(
    ready: Workspace, base_folder: Path
) -> None:
    shutil.copytree(base_folder, ready.root / "other")
    config = json.loads((ready.root / "other" / "config.json").read_text())
    (ready.root / "other" / "config.json").write_text(json.dumps(config | {"note": "another"}))
    edit(ready, "    evaluate:", "    evaluate:\n      bases: {big: {model: other}}")
    inputs(ready, TASK)
    reserve(ready)
    evaluate(ready, TASK)
    report, _, rows = read(ready)
    big = next(c for c in report.contenders if c.name == "big")
    assert big.elsewhere
    zero = {r["id"]: r["output"] for r in rows if r["contender"] == "zero-shot"}
    assert {r["id"]: r["output"] for r in rows if r["contender"] == "big"} == zero
    found = read_evidence(ready.files(TASK))
    assert "big" not in found.contenders
    verdict = decide(found, ready.task(TASK).gate, parents={})
    assert verdict.decision != "invalid", verdict.reasons
    assert "big" in verdict.scores
    assert "big" not in {c.against for c in verdict.comparisons}
    assert [c.against for c in verdict.beside] == ["big"]


def test_a_changed_base_or_scorer_changes_the_scoring_inputs(
    ready: Workspace, base_folder: Path
) -> None:
    (ready.root / "mine.py").write_text("def length(output, reference):\n    return len(output)\n")
    shutil.copytree(base_folder, ready.root / "other")
    edit(
        ready,
        "    evaluate:",
        "    evaluate:\n      scorers: {length: 'mine:length'}\n      bases: {big: {model: other}}",
    )
    files, texts = ready.files(TASK), []
    for change in (None, change_scorer, change_base):
        if change is not None:
            change(ready.root)
        inputs(ready, TASK)
        texts.append(files.scoring_inputs.read_text())
    assert len(set(texts)) == 3
    (ready.root / "mine.py").unlink()
    with pytest.raises(ParamsError, match="mine is no module of this workspace"):
        inputs(ready, TASK)


def change_scorer(root: Path) -> None:
    (root / "mine.py").write_text("def length(output, reference):\n    return -len(output)\n")


def change_base(root: Path) -> None:
    path = root / "other" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"note": 1}))


def test_a_users_scorer_is_a_metric_like_any_other(ready: Workspace) -> None:
    (ready.root / "own_length.py").write_text("def length(a, b):\n    return len(a) / 1000\n")
    edit(ready, "    evaluate:", "    evaluate:\n      scorers: {length: 'own_length:length'}")
    reserve(ready)
    evaluate(ready, TASK)
    report, _, rows = read(ready)
    code = scorer_code(ready.task(TASK).evaluate, ready.root)
    assert report.scorer_code == code
    assert code.keys() == {"length"}
    assert all(r["values"]["length"] == len(r["output"]) / 1000 for r in rows)
    path = ready.root / "own_broken.py"
    path.write_text("def length(a, b):\n    raise KeyError('oh')\n")
    edit(ready, "own_length:length", "own_broken:length")
    reserve(ready)
    with pytest.raises(DataError, match="'length' raised KeyError: 'oh' on row 't-"):
        evaluate(ready, TASK)


def test_prompts_of_every_kind_answer_the_gate_rows_and_are_held_to_the_schema(
    ready: Workspace,
) -> None:
    def told() -> dict[str, bool]:
        inputs(ready, TASK)
        reserve(ready)
        evaluate(ready, TASK)
        report, _, _ = read(ready)
        return {c.name: c.by_schema for c in report.contenders if c.split == "gate"}

    adapters = {"candidate": False, "champion": False}
    alone = dict.fromkeys(("zero-shot", "few-shot", "built-prompt"), True)
    assert told() == {**adapters, **alone}
    # The task's instruction, alone and with solved rows, takes the place of the one that is built.
    (ready.root / "data" / "long.md").write_text("Read the ticket. Answer in JSON.")
    (ready.root / "data" / "tuned.md").write_text("You are a clerk. Answer in JSON.")
    edit(ready, "    schema:", "    prompt: data/long.md\n    schema:")
    more = "prompts: {tuned: data/tuned.md}\n      schema_decoding: all"
    edit(ready, "schema_decoding: baselines", more)
    prompts = ("zero-shot", "few-shot", "long-prompt", "long-few-shot", "tuned")
    assert told() == dict.fromkeys((*adapters, *prompts), True)


def test_rows_carry_the_group_and_slice_that_the_split_names(ready: Workspace) -> None:
    files = ready.files(TASK)
    manifest = files.splits / "manifest.json"
    value = json.loads(manifest.read_text()) | {"group_by": "customer", "slice_by": "language"}
    manifest.write_text(json.dumps(value))
    dev = read_rows(files.splits / "dev.jsonl")
    named = [dataclasses.replace(row, fields={"customer": f"c-{row.id}"}) for row in dev]
    lines = (json.dumps(dataclasses.asdict(row)) for row in named)
    (files.splits / "dev.jsonl").write_text("".join(f"{line}\n" for line in lines))
    files.look.write_text('{"look": null}')
    evaluate(ready, TASK)
    report, _, rows = read(ready)
    assert {(r["group"], r["slice"]) for r in rows} == {(f"c-{row.id}", None) for row in dev}
    assert report.general.keys() == {"base", "candidate"}
    assert read_adapter(files.adapter).digest == report.candidate


@pytest.mark.parametrize(
    "metric", [pytest.param("exact_match", marks=pytest.mark.slow), "json_equal"]
)
def test_baselines_that_are_only_judged_get_the_same_verdict_and_no_figure_of_answers_nobody_gave(
    ready: Workspace, metric: str
) -> None:
    edit(ready, "metric: exact_match", f"metric: {metric}")
    reserve(ready)
    evaluate(ready, TASK)
    whole, _, full = read(ready)
    wanted = decide(read_evidence(ready.files(TASK)), ready.task(TASK).gate, parents={})
    edit(ready, "    evaluate:", "    evaluate:\n      baselines: judged")
    reserve(ready)
    evaluate(ready, TASK)
    report, _, rows = read(ready)
    for old, new in zip(full, rows, strict=True):
        if new["contender"] in ("candidate", "champion"):
            assert new == old
            continue
        assert new["values"].keys() == {metric, "perplexity"}
        assert new["values"][metric] == old["values"][metric]
        assert (
            new["output"] == old["output"]
            if new["whole"]
            else old["output"].startswith(new["output"].rstrip("\ufffd"))
        )
    baseline = [r for r in rows if r["contender"] == "zero-shot"]
    given_up = sum(not r["whole"] for r in baseline)
    assert 0 < given_up <= len(baseline) - SAMPLE, "a sample is decoded in full, to show"
    found = decide(read_evidence(ready.files(TASK)), ready.task(TASK).gate, parents={})
    assert (found.decision, found.comparisons) == (wanted.decision, wanted.comparisons)
    [one] = [c for c in report.contenders if c.name == "zero-shot"]
    [other] = [c for c in whole.contenders if c.name == "zero-shot"]
    assert (one.output_tokens, one.fields) == (None, {})
    assert one.scores == {name: other.scores[name] for name in one.scores}


@pytest.fixture
def owner(ready: Workspace) -> Workspace:
    """The base of `ready` in a folder of the workspace's own, `old`."""
    section, files = ready.task(TASK), ready.files(TASK)
    shutil.copytree(find_base(section.base, ready.root), ready.root / "old")
    edit(ready, f"model: {section.base.model}", "model: old")
    inputs(ready, TASK)
    for folder, seed in ((files.adapter, 1), (files.champion / "adapter", 2)):
        put_adapter(ready, folder, seed=seed)
    champion = Champion(1, read_adapter(files.champion / "adapter").digest)
    write_record(files.champion / "champion.json", champion)
    reserve(ready)
    return ready


def move(workspace: Workspace, *, narrower: int = 1) -> None:
    """Give the task another base, `new`, and a candidate on it; the champion stays on `old`."""
    old, new = workspace.root / "old", workspace.root / "new"
    config = AutoConfig.from_pretrained(old)
    config.hidden_size, config.head_dim = (
        config.hidden_size // narrower,
        config.head_dim // narrower,
    )
    torch.manual_seed(0)
    shutil.copytree(old, new, ignore=shutil.ignore_patterns("*.safetensors"))
    AutoModelForCausalLM.from_config(config).save_pretrained(new)
    edit(workspace, "model: old", "model: new")
    inputs(workspace, TASK)
    put_adapter(workspace, workspace.files(TASK).adapter, seed=3)
    reserve(workspace)


@pytest.mark.slow
def test_a_champion_on_the_base_of_before_is_judged_on_it_in_the_same_run(owner: Workspace) -> None:
    evaluate(owner, TASK)
    before = {r["id"]: r["output"] for r in read(owner)[2] if r["contender"] == "champion"}
    move(owner)
    preflight(owner, TASK)
    evaluate(owner, TASK)
    report, _, rows = read(owner)
    by_name = {c.name: c for c in report.contenders if c.split == "gate"}
    assert by_name["champion"].base not in (None, report.base)
    assert by_name["candidate"].base is None
    answers = {
        name: {r["id"]: r["output"] for r in rows if (r["contender"], r["split"]) == (name, "gate")}
        for name in by_name
    }
    assert answers["champion"] == before, "it answers as it did when the task was there"
    assert answers["candidate"].keys() == before.keys()
    assert answers["candidate"] != before
    assert by_name["carried"].elsewhere == "the champion's adapter on the task's new base"
    assert answers["carried"] not in (before, answers["candidate"])
    evaluate(owner, TASK)
    assert len(read(owner)[1].kept) == len(report.contenders), "all are cached, the champion too"
    verdict = decide(read_evidence(owner.files(TASK)), owner.task(TASK).gate, parents={})
    assert verdict.decision != "invalid", verdict.reasons
    assert "champion" in {c.against for c in verdict.comparisons}
    assert [c.against for c in verdict.beside] == ["carried"]
    assert "champion answered on the base that it was trained on" in verdict.reasons[-1]


@pytest.mark.slow
def test_a_champion_whose_base_cannot_be_judged_here_is_told_before_the_training(
    owner: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(owner, "shots: 4", "shots: 0")
    move(owner, narrower=4)
    section, files = owner.task(TASK), owner.files(TASK)
    splits = tuple(read_rows(files.splits / f"{name}.jsonl") for name in ("train", "dev", "gate"))
    none = Device("a machine", cuda=False, memory=LIBRARIES + (1 << 20), here=True)
    new = planned_judging(section, splits, Prompts(), owner.root, none)
    champion = read_adapter(files.champion / "adapter")
    place, old = planned_move(owner, TASK, champion, [*splits[1], *splits[2]], none)
    assert (place.model, new.fits, old.fits) == ("old", False, False)
    assert new.peak < old.peak, "the least that each takes"
    between = none.memory_for((new.peak + old.peak) // 2)
    small = Device("a small machine", cuda=False, memory=between, here=True)
    monkeypatch.setattr("pawl.evaluate.preflight.here", lambda: small)
    with pytest.raises(BaseError, match="the base old cannot be judged on a small machine"):
        preflight(owner, TASK)


def test_a_champion_whose_base_is_gone_is_told_before_the_training_and_its_folder_may_be_renamed(
    owner: Workspace,
) -> None:
    move(owner)
    (owner.root / "old").rename(owner.root / "renamed")
    with pytest.raises(BaseError, match="no base here has the digest") as gone:
        preflight(owner, TASK)
    assert "bring that base back to old" in gone.value.remedy
    assert "`evaluate.bases`" in gone.value.remedy
    edit(owner, "    evaluate:", "    evaluate:\n      bases: {before: {model: renamed}}")
    preflight(owner, TASK)


@pytest.mark.parametrize("where", ["metric: perplexity", "guards: {output_tokens: 2.0}"])
@pytest.mark.slow
def test_metrics_that_count_tokens_do_not_compare_two_bases(owner: Workspace, where: str) -> None:
    move(owner, narrower=2)
    if where.startswith("metric"):
        edit(owner, "metric: exact_match", where)
    else:
        edit(owner, "metric: exact_match", f"metric: exact_match\n      {where}")
    with pytest.raises(ParamsError, match="and the champion of 'tickets' sits on base old") as told:
        preflight(owner, TASK)
    assert "another metric" in told.value.remedy
    if where.startswith("guards"):
        return
    reserve(owner)
    evaluate(owner, TASK)
    verdict = decide(read_evidence(owner.files(TASK)), owner.task(TASK).gate, parents={})
    assert verdict.decision == "invalid"
    assert "does not fit the layers" in read(owner)[0].skipped["carried"]
    assert "compare no adapters of two bases" in verdict.reasons[0]


def test_for_the_screen_the_champion_answers_dev_and_no_gate_row_is_touched(
    ready: Workspace,
) -> None:
    files = ready.files(TASK)
    write_json(files.look, {"look": None})
    edit(ready, "looks: 3", "looks: 3\n      screen: 0.3")
    learned = read_rows(files.splits / "dev.jsonl")[0]
    champion = read_adapter(files.champion / "adapter")
    write_record(
        files.champion / "adapter" / "pawl.json",
        dataclasses.replace(champion, inherited=row_hashes(learned)),
    )
    evaluate(ready, TASK)
    report, _, rows = read(ready)
    assert {(c.name, c.split) for c in report.contenders} == {
        ("candidate", "dev"),
        ("champion", "dev"),
    }
    assert {row["split"] for row in rows} == {"dev"}
    assert learned.id not in {row["id"] for row in rows if row["contender"] == "champion"}
    assert learned.id in {row["id"] for row in rows if row["contender"] == "candidate"}
    edit(ready, "\n      screen: 0.3", "")
    evaluate(ready, TASK)
    assert [c.name for c in read(ready)[0].contenders] == ["candidate"]
