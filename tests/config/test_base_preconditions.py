"""What a base cannot give is refused before its weights are read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from pawl.commands.doctor import examine
from pawl.core.files import write_text
from pawl.data.inputs import inputs
from pawl.errors import ParamsError
from pawl.workspace.fingerprints import cycle_fingerprint
from pawl.workspace.paths import Workspace


def asking(root: Path, base_folder: Path, **train: Any) -> Workspace:
    """A workspace whose base can be asked but not read: its weights are a folder."""
    base = root / "base"
    base.mkdir(parents=True)
    shutil.copy(base_folder / "config.json", base)
    (base / "model.safetensors").mkdir()
    write(root, "base", train)
    return Workspace(root)


def write(root: Path, base: str, train: dict[str, Any]) -> None:
    section = {
        "data": "d.jsonl",
        "base": {"model": base},
        "check": {},
        "split": {"salt": "s"},
        "train": train,
        "evaluate": {},
        "gate": {},
    }
    write_text(root / "params.yaml", json.dumps({"tasks": {"t": section}}, indent=1))
    write_text(root / "d.jsonl", '{"id": "1", "prompt": "a", "completion": "b"}\n')


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "a row longer than the window": ({"max_length": 1025}, "max_length = 1025", "at most 1024"),
    "a rank above the width": ({"rank": 257}, "rank = 257", "1 to 256, or auto"),
    "a layer that is none": (
        {"targets": ["q_proj", "qkv_proj"]},
        "targets: 'qkv_proj' is no linear layer",
        "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj",
    ),
    "the head": (
        {"targets": ["lm_head"]},
        "targets: 'lm_head' is no linear layer",
        "but for the head",
    ),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_the_base_cannot_give_is_refused_with_what_it_can_and_no_weight_is_read(
    base_folder: Path, tmp_path: Path, case: str
) -> None:
    train, found, possible = IMPOSSIBLE[case]
    workspace = asking(tmp_path, base_folder, **train)
    begin = (
        lambda: workspace.checked_task("t"),
        lambda: inputs(workspace, "t"),
        lambda: cycle_fingerprint(workspace, "t", accepted=()),
    )
    for begins in begin:
        with pytest.raises(ParamsError, match=f"params.yaml:[0-9]+: tasks.t.train.{found}") as said:
            begins()
        assert possible in said.value.rule
        assert said.value.remedy


def test_a_template_argument_that_the_base_does_not_read_is_named_with_its_line(
    base_folder: Path, tmp_path: Path
) -> None:
    workspace = asking(tmp_path, base_folder)
    text = (tmp_path / "params.yaml").read_text()
    told = text.replace(
        '"model": "base"', '"model": "base", "template": {\n"enable_thinkin": false}'
    )
    write_text(tmp_path / "params.yaml", told)
    workspace.checked_task("t"), "the template is not here yet"
    for template, says in (
        ("{{ enable_thinking is defined }}", "did you mean"),
        ("x", "known: none"),
    ):
        write_text(tmp_path / "base" / "chat_template.jinja", template)
        (tmp_path / "base" / "tokenizer.json").write_text("{}")
        with pytest.raises(
            ParamsError, match=r"yaml:\d+: tasks.t.base.template.enable_thinkin: "
        ) as e:
            workspace.checked_task("t")
        assert says in e.value.remedy
    write_text(tmp_path / "params.yaml", told.replace("enable_thinkin", "enable_thinking"))
    write_text(tmp_path / "base" / "chat_template.jinja", "{{ enable_thinking is defined }}")
    assert workspace.checked_task("t").base.template == {"enable_thinking": False}


def test_doctor_says_it_too(base_folder: Path, tmp_path: Path) -> None:
    workspace = asking(tmp_path, base_folder, max_length=5000)
    (finding,) = (found for found in examine(workspace) if found.what == "t")
    assert not finding.ok
    assert "at most 1024" in finding.says


def test_what_the_base_can_give_is_not_refused(base_folder: Path, tmp_path: Path) -> None:
    asked = {"max_length": 1024, "rank": 256, "targets": ["q_proj", "down_proj"]}
    asking(tmp_path / "a", base_folder, **asked).checked_task("t")
    asking(tmp_path / "b", base_folder, rank="auto").checked_task("t")


def test_a_hub_base_is_asked_where_it_is_cached_and_left_alone_where_it_is_not(
    base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    root = tmp_path / "ws"
    write(root, "someone/tiny", {"max_length": 5000})
    workspace = Workspace(root)
    workspace.checked_task("t")
    held = tmp_path / "hub" / "models--someone--tiny"
    write_text(held / "refs" / "main", "c" * 40)
    (held / "snapshots" / ("c" * 40)).mkdir(parents=True)
    shutil.copy(base_folder / "config.json", held / "snapshots" / ("c" * 40))
    with pytest.raises(ParamsError, match="someone/tiny sees 1024 tokens"):
        workspace.checked_task("t")


def test_a_base_that_is_not_there_or_broken_is_for_the_one_who_needs_it_to_say(
    base_folder: Path, tmp_path: Path
) -> None:
    workspace = asking(tmp_path, base_folder, max_length=5000)
    (tmp_path / "base" / "config.json").write_text("{")
    workspace.checked_task("t")
    (tmp_path / "base" / "config.json").unlink()
    workspace.checked_task("t")
