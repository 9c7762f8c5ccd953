"""A cleaned copy: changed only where no judgement is needed, row by row, idempotent, no secret."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from pawl.config.schema import Split
from pawl.core.records import FixReport, read_record
from pawl.data.check import check
from pawl.data.inputs import inputs
from pawl.data.read.examples import read_examples
from pawl.data.versions.cleaning import LineChange, line_changes
from pawl.data.versions.fix import fix
from pawl.data.versions.json_style import majority_style, parse
from pawl.errors import DataError
from pawl.workspace.paths import Workspace

SPLIT = Split("s")
SECRET = "xoxb-2345-the-secret"

blanks = st.sampled_from(["", "", "", " ", "\n", "\u00a0"])
# U+009F may stand in JSON escaped, and in no row as it is; the other pair was decoded wrongly.
words = st.text(st.sampled_from("ab é\u00c3\u00bc\u009f\u2028\ud800\n\"'{"), min_size=1, max_size=4)
atoms = words | st.integers(-9, 9) | st.sampled_from([None, True, 1.5, 1e22])
values = st.dictionaries(st.sampled_from("xyz"), atoms, max_size=3) | st.recursive(
    atoms, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2)
)


@st.composite
def completions(draw: Any) -> str:
    """A text, or JSON in any layout, order and spelling of its numbers."""
    text = json.dumps(
        draw(values),
        indent=draw(st.sampled_from([None, None, None, 2, 4, 3])),
        separators=draw(st.sampled_from([None, None, (",", ":"), (" , ", " :")])),
        ensure_ascii=draw(st.booleans()),
        sort_keys=draw(st.booleans()),
    )
    if draw(st.booleans()):
        text = text.replace("1.5", "1.50").replace("1e+22", "1E22")
    return draw(blanks) + text + draw(blanks)


@st.composite
def rows(draw: Any) -> bytes:
    """A line: a row in either form, with or without a name, or junk."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=20)).replace(b"\n", b" ")
    prompt, completion = draw(st.sampled_from(["one", "ONE ", "two", "three"])), draw(completions())
    if draw(st.booleans()):
        row: dict[str, Any] = {"prompt": prompt, "completion": completion}
    else:
        turns = [("user", prompt), ("assistant", completion)]
        row = {"messages": [{"role": role, "content": text} for role, text in turns]}
        row["messages"][1]["note"] = draw(words)
    if name := draw(st.sampled_from(["", "", "a", "b", "row-1", "row-2", "row-3"])):
        row = {"id": name, **row}
    line = json.dumps(row, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return line + draw(st.sampled_from([b"", b"", b"\r"]))


@st.composite
def files(draw: Any) -> bytes:
    lines = draw(st.lists(rows(), min_size=1, max_size=8))
    return b"\n".join(lines) + draw(st.sampled_from([b"", b"\n"]))


def cleaned(data: bytes, name: str = "rows.jsonl") -> tuple[bytes, list[LineChange]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            done = list(line_changes(path, name, SPLIT))
        except DataError:
            # A file that is refused as a whole (a list that is not closed, UTF-16) is not cleaned.
            reject()
        assert path.read_bytes() == data
    return b"".join(change.new or b"" for change in done), done


def readable(data: bytes) -> dict[str, Any]:
    """The rows of a file by name, none of which may be bad."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(data)
        return {row.id: row for row in read_examples(path, "rows.jsonl").examples}


@given(files())
@settings(max_examples=200)
def test_cleaning_is_idempotent_and_every_cleaned_row_is_readable(
    data: bytes,
) -> None:
    copy, done = cleaned(data)
    assert b"".join(change.old for change in done) == data
    again, none = cleaned(copy)
    assert again == copy
    assert not any(change.why for change in none)
    if copy:
        found = readable(copy)
        assert all(row.completion == row.completion.strip() for row in found.values())
        assert len(found) == len({(r.key, r.completion) for r in found.values()})


@given(files())
@settings(max_examples=100)
def test_a_row_that_stays_has_the_same_content(data: bytes) -> None:
    for change in cleaned(data)[1]:
        if change.new is None or not change.why:
            assert change.new is None or change.new == change.old
            continue
        old, new = json.loads(change.old), json.loads(change.new)
        if "messages" in old:
            was, now = old["messages"].pop()["content"], new["messages"].pop()["content"]
        else:
            was, now = old.pop("completion"), new.pop("completion")
        assert old == new
        assert was.strip() == now or plain(was.strip()) == plain(now)


def plain(text: str) -> Any:
    """The value of a JSON text, numbers as their digits, objects whatever their order."""
    return json.loads(text, parse_int=lambda digits: f"#{digits}", parse_float=lambda d: f"#{d}")


@given(st.lists(completions(), max_size=6))
def test_only_what_more_than_half_do_is_customary_and_then_all_can_do_it(
    texts: list[str],
) -> None:
    texts = [text.strip() for text in texts]
    style = majority_style(texts)
    told = [text for text in texts if parse(text) is not None]
    if style is None:
        return
    new = [style.apply(text) for text in told]
    same_layout = [dataclasses.replace(style, orders={}).apply(text) for text in told]
    assert 2 * sum(a == b for a, b in zip(told, same_layout, strict=True)) > len(told)
    again = majority_style(new)
    assert again is not None
    assert [again.apply(text) for text in new] == new


def test_the_majority_style_is_that_of_most_rows() -> None:
    most = ['{"a": 1, "b": {"c": 1.50, "d": "é"}}'] * 3
    style = majority_style(
        [*most, '{"b":{"d":"\\u00e9","c":1.50},"a":1}', "no JSON", '{"e":1,"a":2}']
    )
    assert style is not None
    assert style.apply('{"b":{"d":"\\u00e9","c":1.50},"a":1}') == most[0]
    assert style.apply('{"e":1,"a":2}') == '{"e": 1, "a": 2}'
    assert style.apply('{"a":1,"a":2}') == '{"a":1,"a":2}'
    assert style.apply("no JSON") == "no JSON"


def test_rows_of_different_groups_are_no_duplicates() -> None:
    lines = [
        {"prompt": "p", "completion": "c", "who": who, "id": f"{who}{i}"}
        for who in "ab"
        for i in range(2)
    ]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(data)
        for split, stay in ((SPLIT, ["a0"]), (Split("s", group_by="who"), ["a0", "b0"])):
            kept = [s.name for s in line_changes(path, "rows.jsonl", split) if s.new is not None]
            assert kept == stay


def seeded(workspace: Workspace) -> tuple[Path, dict[str, str]]:
    """The task's data with one fault of each kind in it, and what becomes of each row at fault."""
    path = workspace.root / "data" / "tickets.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    row = [json.loads(line) for line in lines[:6]]
    answer = json.loads(row[0]["completion"])
    lines[0] = json.dumps({**row[0], "completion": json.dumps(dict(reversed(answer.items())))})
    lines[1] = json.dumps({**row[1], "completion": row[1]["completion"] + "\n"})
    lines += [
        json.dumps({**row[2], "id": "again"}),
        '{"prompt": "no answer"}',
        json.dumps({**row[3], "id": "quiet", "note": SECRET}),
        json.dumps({**row[4], "id": "other", "completion": row[5]["completion"]}),
    ]
    path.unlink()
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path, {
        row[0]["id"]: "style", row[1]["id"]: "blanks", "again": "duplicates",
        "row-162": "unreadable", "line 163": "duplicates",
    }  # fmt: skip


def test_a_copy_is_proposed_with_a_diff_that_says_why_and_shows_no_secret(
    quick_workspace: Workspace,
) -> None:
    path, faults = seeded(quick_workspace)
    before = path.read_bytes()
    report = fix(quick_workspace, "tickets")
    assert path.read_bytes() == before
    folder = quick_workspace.files("tickets").fixed
    assert {file.name for file in folder.iterdir()} == {
        "tickets.jsonl", "changes.diff", "report.json"
    }  # fmt: skip
    assert read_record(folder / "report.json", FixReport) == report
    changes = {fault.id: mend.name for mend in report.mends for fault in mend.first}
    assert changes == faults
    assert (report.of, report.rows, report.hidden, report.left) == (164, 161, 2, None)
    diff = (folder / "changes.diff").read_text(encoding="utf-8")
    assert all(f"@@ {name}: {what}" in diff for name, what in faults.items())
    assert "-[may hold a secret: not shown]\n" in diff
    assert '-[cannot be read; its form:] {"prompt": "xx xxxxxx"} …\n' in diff
    for written in (diff, (folder / "report.json").read_text(encoding="utf-8")):
        assert SECRET not in written
        assert "quiet" not in written
        assert "no answer" not in written
    names = [json.loads(line)["id"] for line in (folder / "tickets.jsonl").open(encoding="utf-8")]
    assert "other" in names  # another answer to an earlier prompt: a person decides


def test_the_diff_is_one_that_git_applies(quick_workspace: Workspace) -> None:
    path, _ = seeded(quick_workspace)
    # Hidden lines cannot be applied: those with a secret, and unreadable ones.
    skipped = (b"no answer", SECRET.encode())
    lines = [
        line for line in path.read_bytes().split(b"\n") if not any(text in line for text in skipped)
    ]
    path.write_bytes(b"\n".join(lines).rstrip(b"\n"))
    fix(quick_workspace, "tickets")
    folder = quick_workspace.files("tickets").fixed
    command = ["git", "apply", "--unidiff-zero", str(folder / "changes.diff")]
    subprocess.run(command, cwd=quick_workspace.root, check=True)
    assert path.read_bytes() == (folder / "tickets.jsonl").read_bytes()


def test_findings_left_to_a_person_are_listed_from_the_check_of_this_data_only(
    quick_workspace: Workspace,
) -> None:
    path = quick_workspace.root / "data" / "tickets.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    bad = {"prompt": "p", "completion": '{"category": "nonsense"}', "id": "bad"}
    path.unlink()
    path.write_text("\n".join([*lines, json.dumps(bad)]) + "\n", encoding="utf-8")
    inputs(quick_workspace, "tickets")
    with pytest.raises(DataError):
        check(quick_workspace, "tickets")
    left = fix(quick_workspace, "tickets").left
    assert left is not None
    assert ("schema", ["bad"]) in [(rule.name, [f.id for f in rule.worst]) for rule in left]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert fix(quick_workspace, "tickets").left is None


def test_a_file_of_another_format_is_proposed_as_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'id,prompt,completion\na,one, x \nb,"t\xff",y\nc,ONE,x\n')
    done = list(line_changes(path, "rows.csv", SPLIT))
    assert [change.new for change in done] == [
        b'{"id": "a", "prompt": "one", "completion": "x"}\n', None, None,
    ]  # fmt: skip
    assert [list(change.why) for change in done] == [["blanks"], ["unreadable"], ["duplicates"]]


def test_nothing_is_proposed_where_no_row_is_good(quick_workspace: Workspace) -> None:
    path = quick_workspace.root / "data" / "tickets.jsonl"
    path.unlink()
    path.write_text("{}\n")
    with pytest.raises(DataError, match="no row that can be read"):
        fix(quick_workspace, "tickets")
    assert not quick_workspace.files("tickets").fixed.exists()
