"""What an evaluation would stumble on, told before a training and a look are paid for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pawl.config.schema import Evaluate
from pawl.core.files import write_json
from pawl.core.records import Example, read_rows
from pawl.evaluate.baselines import baselines, longest_prompt, prompt_room
from pawl.evaluate.scorers import score, scorers
from pawl.model.base import find_base
from pawl.model.tokenizer import load_tokenizer
from pawl.workspace.paths import Workspace


def preflight(workspace: Workspace, task: str) -> None:
    """Write `build/<task>/preflight.json`: tokens that fit, and each baseline's longest prompt.

    The task's own scorers are tried on what every scorer meets: dev rows answered rightly.

    Raises:
        DataError: a prompt does not fit, or a scorer of the task's own failed.
    """
    section, files = workspace.task(task), workspace.files(task)
    train, dev, gate = (
        read_rows(files.splits / f"{name}.jsonl") for name in ("train", "dev", "gate")
    )
    prompts = longest_prompts(
        train,
        dev,
        gate,
        instruction=files.prompt.read_text(encoding="utf-8"),
        policy=section.evaluate,
        base=find_base(section.base, workspace.root),
    )
    schema = json.loads(files.schema.read_text(encoding="utf-8"))
    known = scorers(schema, section.evaluate, workspace.root)
    for row in dev:
        score(known, row.completion, row.completion, row=row.id)
    write_json(files.preflight, prompts)


def longest_prompts(
    train: Sequence[Example],
    dev: Sequence[Example],
    gate: Sequence[Example],
    *,
    instruction: str,
    policy: Evaluate,
    base: Path,
) -> dict[str, int]:
    """Tokens of each baseline's longest prompt, and `fit`: how many a prompt may have.

    Raises:
        DataError: a prompt does not fit in the window of the base in the folder `base`.
    """
    tokenizer, room = load_tokenizer(base), prompt_room(base, policy)
    found, _ = baselines(
        train, gate, instruction=instruction, shots=policy.shots, tokenizer=tokenizer, room=room
    )
    # Of dev the candidate alone is asked, as the zero-shot baseline is.
    baselines((), dev, instruction="", shots=0, tokenizer=tokenizer, room=room)
    return {"fit": room} | {b.name: longest_prompt(b.show, gate, tokenizer) for b in found}
