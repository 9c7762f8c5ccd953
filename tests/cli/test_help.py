"""The help, the errors and the words that need not be typed."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from workbench import TASK, Bench

from pawl import errors
from pawl.cli import main
from pawl.cli.app import app
from pawl.cli.commands import GROUPS, complete_task
from pawl.cli.output import PRINTED, QUIET
from pawl.ledger.ledger import given_reason

ROOT = Path(__file__).parents[2]
COMMANDS: Any = typer.main.get_command(app)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Each command line is a process of its own, to a user."""
    before = dict(os.environ)
    quiet, printed = QUIET.set(False), PRINTED.set(False)
    yield
    QUIET.reset(quiet)
    PRINTED.reset(printed)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command line in this process; its exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pawl", *words])
        out, err = sys.stdout, sys.stderr
        with pytest.raises(SystemExit) as end:
            main()
        sys.stdout, sys.stderr = out, err
        said = capsys.readouterr()
        code: Any = end.value.code
        return code or 0, said.out, said.err

    return run


@pytest.fixture
def inside(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(bench.workspace.root)
    return bench


def every(group: Any, *before: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*before, name), command
        if hasattr(command, "commands"):
            yield from every(command, *before, name)


def test_every_command_stands_in_its_group_with_one_line_of_80_columns(line: Any) -> None:
    for words in ((), ("--help",), ("data",)):
        code, out, _ = line(*words)
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80
        assert "..." not in out.replace("[ARGS]...", "")
    shown = line("--help")[1]
    titles = [f"{title}:" for title in GROUPS.values()]
    assert [row for row in shown.splitlines() if row in titles] == titles
    assert "more:" not in shown
    for name, command in COMMANDS.commands.items():
        assert command.rich_help_panel in GROUPS
        summary = command.help.partition("\n")[0]
        assert f"  {name.ljust(10)}  {summary}" in shown.splitlines()


@pytest.mark.parametrize(("words", "command"), list(every(COMMANDS)), ids=str)
def test_every_commands_help_ends_with_an_example_of_it(
    words: tuple[str, ...], command: Any
) -> None:
    assert command.epilog.startswith(f"Example: pawl {words[0]}")
    if not hasattr(command, "commands"):
        assert command.epilog.startswith(f"Example: pawl {' '.join(words)}")
        # It is one that the command takes.
        parser = command.make_parser(command.make_context("x", [], resilient_parsing=True))
        line = shlex.split(command.epilog.partition(">>")[0].removeprefix("Example: pawl "))
        parser.parse_args(line[len(words) :])


def test_the_only_task_need_not_be_named(inside: Bench, line: Any) -> None:
    inside.cycle(1)
    inside.cycle(2)
    named = line("compare", TASK, "1", "2", "--json")
    assert line("compare", "1", "2", "--json") == named
    assert json.loads(named[1])["versions"] == [1, 2]
    assert line("status") == line("status", TASK)
    assert line("history", "--json") == line("history", TASK, "--json")
    assert line("flips", "9")[2].startswith(f"error: task '{TASK}' has no version 9")
    assert line("retire", "--reason", "r", "9")[2].startswith(f"error: task '{TASK}' has no versi")
    # A word that is no task is not taken for one that was left out.
    code, _, err = line("status", "tickts")
    assert (code, "did you mean 'tickets'?" in err) == (2, True)
    assert "did you mean 'tickets'?" in line("compare", "tickts", "1", "2")[2]
    assert "there is no task 'hello'" in line("predict", "hello")[2]


def test_of_several_tasks_one_is_named(inside: Bench, line: Any) -> None:
    text = inside.workspace.params_file.read_text(encoding="utf-8")
    section = text.split("tasks:\n")[1]
    more = section.replace(f"  {TASK}:", "  other:")
    inside.workspace.params_file.write_text(f"tasks:\n{section}{more}", encoding="utf-8")
    code, out, err = line("status")
    assert (code, out) == (2, "")
    assert "name one: other, tickets" in err
    assert complete_task("t") == [TASK]
    inside.workspace.params_file.write_text("tasks: {}\n", encoding="utf-8")
    assert "`pawl new TASK --data FILE` adds one" in line("status")[2]


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        ("status nowhere", 2, "there is no task 'nowhere'"),
        ("compare 1 x", 2, "invalid value"),
        ("promote 1", 2, "missing option '--reason'"),
        ("frobnicate", 2, "no such command 'frobnicate'"),
        ("flips", 2, "has no version yet"),
        ("-C nowhere status", 2, "nowhere is no folder"),
    ],
)
def test_an_error_is_json_too_where_json_is_asked_for(
    inside: Bench, line: Any, words: str, code: int, found: str
) -> None:
    plain = line(*words.split())
    assert (plain[0], plain[1]) == (code, "")
    told = line(*words.split(), "--json")
    assert told[0] == code
    error = json.loads(told[1])
    assert error.keys() == {"error", "found", "rule", "remedy"}
    assert found in error["found"]
    assert issubclass(getattr(errors, error["error"]), errors.PawlError)
    assert error["remedy"]
    assert told[2] == plain[2]


def test_quiet_prints_errors_alone_and_json_as_ever(inside: Bench, line: Any) -> None:
    inside.cycle(1)
    assert line("-q", "status") == (0, "", "")
    assert line("-q", "verify")[:2] == (0, "")
    assert line("-q", "status", "nowhere")[2].startswith("error: there is no task")
    assert json.loads(line("-q", "status", "--json")[1])["task"] == TASK


def test_a_dry_run_says_what_a_cycle_would_do_and_does_nothing(
    quick_workspace: Any, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = quick_workspace.root
    monkeypatch.chdir(root)
    before = {path: path.stat().st_mtime_ns for path in (root / "build").rglob("*")}
    code, out, err = line("run", "--dry-run")
    assert (code, err) == (0, "")
    assert out.startswith("tickets: a cycle would\n")
    assert "train" in out
    assert "against the baselines: no champion yet" in out
    told = json.loads(line("run", "--dry-run", "--json")[1])
    assert [stage["name"] for stage in told["stages"]] == [
        "check and split", "train", "evaluate and gate",
    ]  # fmt: skip
    assert (told["unchanged"], told["champion"], told["looks"]["used"]) == (None, None, 0)
    assert {path: path.stat().st_mtime_ns for path in (root / "build").rglob("*")} == before


def test_doctor_examines_the_machine_outside_a_workspace(
    tmp_path: Path, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = line("doctor")
    assert code == 0
    assert "pawl init" in out
    told = json.loads(line("doctor", "--json")[1])
    assert {"python", "git", "disk", "torch", "workspace", "device"} <= {
        one["what"] for one in told
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_options_and_tasks(inside: Bench, shell: str, line: Any) -> None:
    script = line("completion", shell)[1]
    assert "_PAWL_COMPLETE=complete_" + shell in script

    def complete(words: str) -> str:
        count = str(len(words.split(" ")) - 1)
        asks = {
            "_PAWL_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": words,
            "COMP_CWORD": count,
            "_TYPER_COMPLETE_ARGS": words,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        command = [sys.executable, "-c", "from pawl.cli import main; main()"]
        done = subprocess.run(
            command, env=os.environ | asks, capture_output=True, text=True, check=False
        )
        return done.stdout

    assert "rollback" in complete("pawl ro")
    assert TASK in complete("pawl status ti")
    assert "--dry-run" in complete("pawl run --d")


def test_ctrl_c_in_any_command_is_one_sentence_and_json_where_that_is_asked_for(
    inside: Bench,
) -> None:
    # A store that answers nothing: the command waits until it is interrupted.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "pawl", "history", TASK, "--json"],
            env=os.environ | {"MLFLOW_TRACKING_URI": store},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        silent.settimeout(60)
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            said, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.strip() == "interrupted; the same command begins again"
    assert json.loads(said)["error"] == "InterruptedRunError"


@pytest.mark.parametrize(
    ("words", "code"),
    [("--version >&-", 0), ("nothing 2>&-", 2), ("nothing --json >&- 2>&-", 2)],
)
def test_a_command_whose_streams_are_closed_ends_as_another_one_does(words: str, code: int) -> None:
    shell = f"{shlex.quote(sys.executable)} -c 'from pawl.cli import main; main()' {words}"
    ended = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert "Traceback" not in ended.stdout + ended.stderr


def test_where_stdout_takes_nothing_the_error_is_told_once_without_a_traceback() -> None:
    shell = f"{shlex.quote(sys.executable)} -c 'from pawl.cli import main; main()'"
    ended = subprocess.run(
        ["sh", "-c", f"{shell} nothing --json > /dev/full"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "no such command" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_argument_that_is_no_utf_8_is_named_and_a_missing_one_is_not_this_folder(
    inside: Bench, line: Any
) -> None:
    rows = [{"prompt": f"question {n}", "completion": "yes"} for n in range(30)]
    (inside.workspace.root / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, _, said = line("new", "letters", "--data", "rows.jsonl", "--base", "\udcff")
    assert code == 2
    assert "the argument '\\udcff' is no UTF-8" in said
    with pytest.raises(errors.UsageError, match="is no UTF-8"):
        given_reason("\udcff", of="release")
    code, _, said = line("new", "letters", "--data", "")
    assert code == 2
    assert "no name is no file" in said


def test_prompts_that_are_no_utf_8_are_an_error_of_usage(
    inside: Bench, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), "utf-8"))
    code, _, said = line("predict", TASK)
    assert code == 2
    assert "stdin is not UTF-8" in said
