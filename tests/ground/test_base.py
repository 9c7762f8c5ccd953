"""A base is known by its digest: whatever changes what training and decoding read changes that."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.base import base_info, load_tokenizer
from pawl.params import Base

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
    folder, base = tmp_path / "base", Base(model="base")
    shutil.copytree(TINY, folder)
    before = base_info(base, tmp_path).digest, load_tokenizer(folder).apply_chat_template(CHAT)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    after = base_info(base, tmp_path).digest, load_tokenizer(folder).apply_chat_template(CHAT)
    assert before[1] != after[1], "the file matters"
    assert before[0] != after[0]


def test_the_plain_tokenizer_is_the_one_that_transformers_finds_and_needs_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from pawl.base import load_tokenizer\n"
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
