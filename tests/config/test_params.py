"""params.yaml is typed: what it does not know is refused with the place and the nearest name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pawl.config.load import parse_params, read_params
from pawl.config.policy_rules import policy_faults
from pawl.errors import ParamsError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def test_the_projects_own_parameters_are_valid() -> None:
    assert "tickets" in read_params(ROOT / "params.yaml").tasks


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("epochs: ", "epoch: ", "did you mean 'epochs'?"),
        ("    gate:\n", "    gates:\n", "did you mean 'gate'?"),
        ("metric: exact_match", "metric: exact_mach", "did you mean 'exact_match'?"),
        ("floors: {exact_match", "floors: {exact_mach", "did you mean 'exact_match'?"),
        ("alpha: 0.05", "alpha: 0.5", "less than 0.5"),
        ("rank: 16", "rank: 0", "a whole number from 1 to 512, or 'auto'"),
        ("rank: 16", "rank: atuo", "a whole number from 1 to 512, or 'auto'"),
        ("rank: 16", "rank: on", "only bare, dora, drop_long, on_change take a boolean"),
        ("rank: 16", "dora: 1", "valid boolean"),
        ("revision: null", "template: {tools: x}", "by its own rules"),
        ("revision: null", "template: {Enable: x}", "should match pattern"),
        ("revision: null", "template: {enable: [x]}", "a text in quotes"),
        ("revision: null", "template: {enable: 2024-07-26}", "a text in quotes"),
        ("revision: null", "template: {enable: .nan}", "a finite number"),
        (
            "revision: null",
            "template: {}, revision: on",
            "only bare, dora, drop_long, on_change take a boolean",
        ),
        ("rank: 16", "lora_plus: 0.5", "greater than or equal to 1"),
        ("precision: float32", "precision: half", "'auto', 'float32' or 'bfloat16'"),
        ("rank: 16", "targets: []", "names of linear layers, at least one"),
        ("rank: 16", "targets: [q_proj, q_proj]", "each once"),
        ("rank: 16", "targets: ['.*_proj']", "should match pattern"),
        ("learning_rate: 0.0025", "learning_rate: -1", "greater than 0"),
        ("rank: 16", "betas: [0.9]", "train.betas.1 is missing"),
        ("rank: 16", "betas: [0.9, 1]", "less than 1"),
        ("rank: 16", "warmup: 0.6", "less than or equal to 0.5"),
        ("rank: 16", "weight_decay: -0.1", "greater than or equal to 0"),
        ("rank: 16", "max_grad_norm: 0", "greater than 0"),
        ("rank: 16", "schedule: cosin", "'cosine', 'linear' or 'constant'"),
        ("rank: 16", "keep: first", "'best' or 'last'"),
        ("rank: 16", "patience: 0", "greater than or equal to 1"),
        ("rank: 16", "evaluations: 1001", "less than or equal to 1000"),
        ("rank: 16", "start: champoin", "'base', 'champion' or 'both'"),
        ("exact_match: 0.1", "exact_match: 30", "30 points is 0.3"),
        ("exact_match: 0.1", "exact_match: -0.1", "greater than or equal to 0"),
        ("exact_match: 0.1", "char_error: 0.1", "under `guards`"),
        ("{schema_valid: 0.05}", "{schema_valid: -1}", "greater than or equal to 0"),
        ("{schema_valid: 0.05}", "{schema_valid: 5}", "5 points is 0.05"),
        ("{schema_valid: 0.05}", "{schema_valid: .nan}", "finite number"),
        ("{schema_valid: 0.05}", "{char_error: 1}", "1 points is 0.01"),
        ("{schema_valid: 0.05}", "{schema_vaild: 0.05}", "did you mean 'schema_valid'?"),
        ("{schema_valid: 0.05}", "{regex_match: 0.05}", "add `regex:`"),
        ("looks: 20", "looks: 20\n      slices: 0.1", "name that key: `split: {slice_by: KEY}`"),
        ("looks: 20", "looks: 20\n      slices: 5", "5 points is 0.05"),
        (
            "looks: 20",
            "looks: 20\n      slices: yes",
            "only bare, dora, drop_long, on_change take a boolean",
        ),
        ("gate: 0.2}", "gate: 0.2, slice_by: prompt}", "none of id, prompt"),
        ("gate: 0.2}", "gate: 0.2, group_by: id}", "none of id, prompt"),
        ("gate: 0.2}", "gate: .nan}", "finite number"),
        ("looks: 20", "looks: 0", "greater than or equal to 1"),
        ("looks: 20", "looks: 20\n      min_rows: 0", "greater than or equal to 1"),
        ("looks: 20", "looks: 20\n      quorum: [champion]", "known: alpha"),
        ("alpha: 0.05", "alpha: 0.000000000001", "the last needs p below 2.5e-14"),
        ("alpha: 0.05", "alpha: .inf", "finite number"),
        ("shots: 4", "regex: 'a{4294967296}', shots: 4", "no regular expression"),
        ("shots: 4", "scorers: {mine: 'a..b:c'}, shots: 4", "module:function"),
        ("    data: data/tickets.jsonl", '    data: "a\\0b"', "match pattern"),
        (
            "    schedule:",
            "    cost: {prompt_tokens: -1, output_tokens: 1, train_hour: 1}\n    schedule:",
            "greater than or equal to 0",
        ),
        (
            "    schedule:",
            "    cost: {prompt_tokens: 1, output_tokens: .inf, train_hour: 1}\n    schedule:",
            "finite number",
        ),
        (
            "    schedule:",
            "    cost: {prompt_tokens: 1, output_tokens: 1, train_hour: .nan}\n    schedule:",
            "finite number",
        ),
        ("shots: 4", "scorers: {exact_match: a:b}, shots: 4", "call it 'my_exact_match'"),
        ("shots: 4", "scorers: {mine: a.b}, shots: 4", "module:function"),
        ("shots: 4", "scorers: {m: {function: a:b, worst: 1}}, shots: 4", "name both ends"),
        ("shots: 4", "scorers: {m: {function: a:b, wrst: 1}}, shots: 4", "did you mean 'worst'"),
        ("shots: 4", "scorers: {m: {worst: 1}}, shots: 4", "function is missing"),
        ("shots: 4", "prompts: {zero-shot: p.md}, shots: 4", "the name 'zero-shot' is taken"),
        ("shots: 4", "prompts: {carried: p.md}, shots: 4", "the name 'carried' is taken"),
        ("shots: 4", "regex: '(', shots: 4", "no regular expression"),
        (
            "shots: 4",
            "schema_decoding: on, shots: 4",
            "only bare, dora, drop_long, on_change take a boolean",
        ),
        ("shots: 4", "bases: {zero-shot: {model: x}}, shots: 4", "call it 'other-zero-shot'"),
        ("shots: 4", "bases: {big: {modle: x}}, shots: 4", "did you mean 'model'?"),
        ("shots: 4", "scorers: {my(own): a:b}, shots: 4", "match pattern"),
        ("shots: 4", "endpoints: {big: {url: 'http://é', model: x}}, shots: 4", "match pattern"),
        ("Europe/Berlin", "Europe/Berlim", "did you mean 'Europe/Berlin'?"),
        ('cron: "0 3 * * *"', 'cron: "0 3"', "five fields"),
        ('cron: "0 3 * * *"', 'cron: "0 0 3 * * *"', "five fields"),
        ('cron: "0 3 * * *"', 'cron: "@daily"', "five fields"),
        ('cron: "0 3 * * *"', 'cron: "99 99 * * *"', "out of range"),
        ('cron: "0 3 * * *"', 'cron: "a b c d e"', "is not a cron line"),
        ('cron: "0 3 * * *"', 'cron: "R 3 * * *"', "a random time"),
        ('cron: "0 3 * * *"', 'cron: "h(0-9) 3 * * *"', "a random time"),
        ("rank: 16", "rank: 16\n      rank: 32", "appears twice"),
        ("tasks:", "release: {kep: 2}\ntasks:", "did you mean 'keep'?"),
        ("tasks:", "release: {keep: 0}\ntasks:", "greater than or equal to 1"),
        ("  tickets:", "  Tick ets:", "a task name matches"),
        ("tasks:", "tasks: [", "cannot be read"),
        ("tasks:", "tasks: 2026-99-99 #", "cannot be read"),
        ("tasks:", "tasks: !!int ''\n#", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_the_remedy(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(ParamsError) as caught:
        parse_params(TEXT.replace(old, new, 1), "params.yaml")
    assert says in str(caught.value)
    assert caught.value.remedy
    if "cannot be read" not in says:
        mark = new.strip().removesuffix("\ntasks:").removesuffix("\n    schedule:")
        mark = mark.split("\n")[-1].strip()
        lines = TEXT.replace(old, new, 1).split("\n")
        line = next(i for i, text in enumerate(lines, 1) if mark in text)
        assert f"params.yaml:{line}:" in str(caught.value)


def test_decoding_is_held_to_a_schema_that_there_is() -> None:
    text = TEXT.replace("shots: 4", "schema_decoding: all, shots: 4")
    task = parse_params(text, "params.yaml").task("tickets")
    assert not [*policy_faults(task)]
    faults = [*policy_faults(dataclasses.replace(task, schema=None))]
    (fault,) = [one for one in faults if one.at == ("evaluate", "schema_decoding")]
    assert fault.found == " = 'all' without a schema"
    assert "`schema_decoding: none`" in fault.remedy


def test_a_start_from_the_champion_needs_a_rank_by_number() -> None:
    text = TEXT.replace("rank: 16", "rank: auto\n      start: both")
    with pytest.raises(ParamsError, match=r"'both' with `train\.rank: auto`") as caught:
        parse_params(text, "params.yaml")
    assert "champion's rank" in caught.value.remedy


@pytest.mark.parametrize(
    "line", ["0 3 * * *", "*/15 0-6 1,15 * mon-fri", "0 3 l mar thu", "0 0 * * 7"]
)
def test_a_cron_line_that_is_accepted_is_one_for_prefect(line: str) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    text = TEXT.replace('cron: "0 3 * * *"', f'cron: "{line}"', 1)
    schedule = parse_params(text, "params.yaml").task("tickets").schedule
    assert schedule is not None
    assert CronSchedule(cron=schedule.cron, timezone=schedule.timezone).cron == line
