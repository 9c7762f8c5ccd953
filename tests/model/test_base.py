"""A base is known by its digest: whatever changes what training and decoding read changes that."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pawl.core.records import BaseRef
from pawl.errors import BaseError
from pawl.model.base import base_info
from pawl.model.tokenizer import load_tokenizer
from pawl.train.fake_model import meta_base

TINY = Path(__file__).parents[2] / "base" / "tiny"
CHAT = [{"role": "user", "content": "hi <zz>"}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chat_template.jinja", "{{ messages[0]['content'] }}"),
        ("additional_chat_templates/default.jinja", "{{ messages[0]['content'] }}"),
        ("added_tokens.json", '{"<zz>": 2048}'),
    ],
)
def test_whatever_makes_the_tokenizer_read_a_chat_otherwise_makes_another_base(
    tmp_path: Path, name: str, text: str
) -> None:
    folder, base = tmp_path / "base", BaseRef(model="base")
    shutil.copytree(TINY, folder)
    before = base_info(base, tmp_path).digest, load_tokenizer(folder).apply_chat_template(CHAT)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    after = base_info(base, tmp_path).digest, load_tokenizer(folder).apply_chat_template(CHAT)
    assert before[1] != after[1], "the file matters"
    assert before[0] != after[0]


def test_the_plain_tokenizer_is_the_one_that_transformers_finds_and_needs_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from pawl.model.tokenizer import load_tokenizer\n"
        f"tokenizer = load_tokenizer(Path({str(TINY)!r}))\n"
        "assert 'torch' not in sys.modules\n"
        "from transformers import AutoTokenizer\n"
        f"found = AutoTokenizer.from_pretrained({str(TINY)!r}, local_files_only=True)\n"
        "assert type(tokenizer) is type(found)\n"
        "assert tokenizer.backend_tokenizer.to_str() == found.backend_tokenizer.to_str()\n"
        "assert tokenizer.special_tokens_map == found.special_tokens_map\n"
        "assert tokenizer.chat_template == found.chat_template\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_base_whose_class_transformers_overrules_gets_the_one_that_transformers_finds(
    tmp_path: Path,
) -> None:
    from transformers import AutoTokenizer

    shutil.copytree(TINY, tmp_path / "base")
    config = json.loads((TINY / "config.json").read_text())
    (tmp_path / "base" / "config.json").write_text(json.dumps({**config, "model_type": "qwen2"}))
    found = AutoTokenizer.from_pretrained(tmp_path / "base", local_files_only=True)
    assert type(load_tokenizer(tmp_path / "base")) is type(found)


def test_a_base_that_is_no_causal_language_model_is_refused_by_its_family(tmp_path: Path) -> None:
    for family in ("mistral3", "of-tomorrow"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
        with pytest.raises(BaseError, match=f"family '{family}' is no causal language model"):
            meta_base(tmp_path, torch.float32)
