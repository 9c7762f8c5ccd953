"""Fixtures that tests of training share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pawl.base import load_tokenizer


@pytest.fixture(scope="session")
def tokenizer(base_folder: Path) -> Any:
    return load_tokenizer(base_folder)
