"""Tiny random bases of the families that people take: their code, other sizes.

Windows are shorter than the rows, score and logit caps bite, sinks and biases are not zero: what a
family does that another does not is seen in its outputs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

WORDS, WINDOW = 512, 24
# Sizes by the names that configurations have for them; a family takes those that it knows.
SIZES: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 64, "n_embd": 64, "d_model": 64, "word_embed_proj_dim": 64,
    "intermediate_size": 96, "n_inner": 96, "ffn_dim": 96, "moe_intermediate_size": 64,
    "shared_expert_intermediate_size": 64, "ffn_hidden_size": 96, "moe_ffn_hidden_size": 64,
    "num_hidden_layers": 4, "n_layer": 4, "n_layers": 4, "num_layers": 4,
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "attention_heads": 4,
    "num_key_value_heads": 2, "num_kv_heads": 2,
    "head_dim": 16, "rotary_dim": 8,
    "max_position_embeddings": 512, "n_positions": 512, "n_ctx": 512, "max_seq_len": 512,
    "num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4, "moe_num_experts": 4,
    "num_experts_per_tok": 2, "moe_k": 2, "n_group": 1, "topk_group": 1,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "torch_dtype": None,
}  # fmt: skip
SLIDES: dict[str, Any] = {"sliding_window": WINDOW}
MIXED = ["sliding_attention", "full_attention"] * 2
LINEAR = ["linear_attention", "linear_attention", "linear_attention", "full_attention"]
MLA: dict[str, Any] = {
    "q_lora_rank": 32, "kv_lora_rank": 32, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16,
    "v_head_dim": 16, "num_key_value_heads": 4, "first_k_dense_replace": 1,
    "head_dim": 8, "n_shared_experts": 1,
}  # fmt: skip
DELTA: dict[str, Any] = {
    "layer_types": LINEAR, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4,
}  # fmt: skip
MAMBA: dict[str, Any] = {
    "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16, "mamba_n_groups": 1,
    "mamba_d_ssm": 128, "mamba_expand": 2, "mamba_chunk_size": 16,
}  # fmt: skip
# By the names under which people know them: the kind of model in transformers, and what it sets.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "Qwen2, Qwen2.5": ("qwen2", {}),
    "Qwen2 with windows": ("qwen2", {"use_sliding_window": True, "max_window_layers": 2, **SLIDES}),
    "Qwen3": ("qwen3", {}),
    "Qwen3 MoE": ("qwen3_moe", {}),
    "Qwen3-Next": ("qwen3_next", DELTA),
    "Qwen3.5": ("qwen3_5_text", DELTA),
    "Llama": ("llama", {}),
    "Llama 4": ("llama4_text", {"intermediate_size_mlp": 96, "attention_chunk_size": 16}),
    "Gemma": ("gemma", {}),
    "Gemma 2": ("gemma2", {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0,
                           "query_pre_attn_scalar": 16, **SLIDES}),
    "Gemma 3": ("gemma3_text", {"layer_types": MIXED, "query_pre_attn_scalar": 16, **SLIDES}),
    "Gemma 4": ("gemma4_text", {"layer_types": MIXED, "hidden_size_per_layer_input": 16,
                                "vocab_size_per_layer_input": WORDS, "global_head_dim": 16,
                                "num_kv_shared_layers": 0, **SLIDES}),
    "Mistral with windows": ("mistral", SLIDES),
    "Mistral": ("mistral", {"sliding_window": None}),
    "Ministral": ("ministral", {"layer_types": MIXED, **SLIDES}),
    "Ministral 3": ("ministral3", {}),
    "Mixtral": ("mixtral", {}),
    "Phi-1, Phi-2": ("phi", {"partial_rotary_factor": 0.5}),
    "Phi-3, Phi-4": ("phi3", SLIDES),
    "Phi-3.5 MoE": ("phimoe", SLIDES),
    "SmolLM3": ("smollm3", {"no_rope_layers": [1, 1, 1, 0]}),
    "Granite": ("granite", {"logits_scaling": 8.0, "embedding_multiplier": 6.0,
                            "residual_multiplier": 0.3, "attention_multiplier": 0.1}),
    "Granite MoE": ("granitemoe", {"logits_scaling": 8.0, "embedding_multiplier": 6.0,
                                   "residual_multiplier": 0.3, "attention_multiplier": 0.1}),
    "Granite 4 hybrid": ("granitemoehybrid", {
        "logits_scaling": 8.0, "embedding_multiplier": 6.0, "residual_multiplier": 0.3,
        "attention_multiplier": 0.1, "layer_types": ["mamba", "attention"] * 2,
        "layers_block_type": ["mamba", "attention"] * 2, "shared_intermediate_size": 96, **MAMBA}),
    "Granite with windows": ("granite_swa", {"logits_scaling": 8.0, **SLIDES}),
    "Cohere": ("cohere", {"logit_scale": 0.3}),
    "Cohere 2": ("cohere2", {"logit_scale": 0.3, "layer_types": MIXED, **SLIDES}),
    "OLMo": ("olmo", {}),
    "OLMo 2": ("olmo2", {}),
    "OLMo 3": ("olmo3", {"layer_types": MIXED, **SLIDES}),
    "OLMoE": ("olmoe", {}),
    "gpt-oss": ("gpt_oss", {"layer_types": MIXED, **SLIDES}),
    "LFM2": ("lfm2", {"layer_types": ["conv", "full_attention"] * 2, 
                      "block_auto_adjust_ff_dim": False}),
    "LFM2 MoE": ("lfm2_moe", {"layer_types": ["conv", "full_attention"] * 2,
                               "num_dense_layers": 1}),
    "LFM3": ("lfm3", {}),
    "GLM": ("glm", {"partial_rotary_factor": 0.5}),
    "GLM-4": ("glm4", {"partial_rotary_factor": 0.5}),
    "GLM-4 MoE": ("glm4_moe", {"partial_rotary_factor": 0.5, "first_k_dense_replace": 1}),
    "EXAONE": ("exaone", {}),
    "EXAONE 4": ("exaone4", {"layer_types": MIXED, **SLIDES}),
    "Hunyuan": ("hunyuan_v1_dense", {}),
    "Hunyuan MoE": ("hunyuan_v1_moe", {}),
    "Apertus": ("apertus", {}),
    "ERNIE 4.5": ("ernie4_5", {}),
    "ERNIE 4.5 MoE": ("ernie4_5_moe", {"moe_layer_start_index": 1, "moe_layer_end_index": 3}),
    "StableLM": ("stablelm", {"partial_rotary_factor": 0.5}),
    "StarCoder2": ("starcoder2", SLIDES),
    "Nemotron": ("nemotron", {"partial_rotary_factor": 0.5}),
    "Nemotron-H": ("nemotron_h", {
        "layers_block_type": ["mamba", "attention", "mlp", "mamba"],
        "mamba_num_heads": 8, "mamba_head_dim": 16,
        "ssm_state_size": 16, "n_groups": 1, "chunk_size": 16}),
    "DeepSeek-V2": ("deepseek_v2", MLA),
    "DeepSeek-V3": ("deepseek_v3", MLA),
    "Bloom": ("bloom", {}),
    "MPT": ("mpt", {}),
    "Falcon": ("falcon", {"alibi": False, "new_decoder_architecture": True}),
    "Falcon with ALiBi": ("falcon", {"alibi": True, "new_decoder_architecture": False,
                                     "multi_query": False, "num_kv_heads": 4}),
    "Falcon-H1": ("falcon_h1", MAMBA),
    "Falcon Mamba": ("falcon_mamba", {}),
    "Mamba": ("mamba", {}),
    "Mamba 2": ("mamba2", {"num_heads": 8, "n_groups": 1, "state_size": 16, "chunk_size": 16}),
    "Jamba": ("jamba", {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 16,
                        "use_mamba_kernels": False}),
    "Bamba": ("bamba", {"attn_layer_indices": [1, 3], **MAMBA}),
    "RecurrentGemma": ("recurrent_gemma", {"lru_width": 64, "attention_window_size": WINDOW,
                                           "block_types": ["recurrent", "attention"]}),
    "XGLM": ("xglm", {}),
    "GPT-2": ("gpt2", {}),
    "GPT-NeoX, Pythia": ("gpt_neox", {}),
    "GPT-J": ("gptj", {}),
    "GPT-BigCode": ("gpt_bigcode", {}),
    # Its own ReLU has a kink, where rounding decides about a whole gradient.
    "OPT": ("opt", {"activation_function": "gelu"}),
    "nanochat": ("nanochat", {}),
    "Helium": ("helium", {}),
    "Seed-OSS": ("seed_oss", {}),
    "Arcee": ("arcee", {}),
    "VaultGemma": ("vaultgemma", {"layer_types": MIXED, "query_pre_attn_scalar": 16, **SLIDES}),
    "DiffLlama": ("diffllama", {}),
    "Mistral Small 3 (with images)": ("mistral3", {}),
    "Gemma 3 (with images)": ("gemma3", {}),
}  # fmt: skip


def tiny_config(kind: str, **settings: Any) -> Any:
    """The family's configuration with tiny sizes."""
    from transformers import CONFIG_MAPPING

    if kind in ("mistral3", "gemma3"):
        return _with_images(kind)
    cls = CONFIG_MAPPING[kind]
    named = {**cls().to_dict(), **getattr(cls, "attribute_map", {})}
    known = {name: value for name, value in SIZES.items() if name in named}
    return cls(**{**known, **settings})


def _with_images(kind: str) -> Any:
    from transformers import CONFIG_MAPPING

    text = {
        "mistral3": tiny_config("mistral", sliding_window=None),
        "gemma3": tiny_config("gemma3_text", layer_types=MIXED, **SLIDES),
    }[kind]
    seen = {
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "image_size": 32, "patch_size": 8, "head_dim": 16,
    }  # fmt: skip
    own: dict[str, Any] = CONFIG_MAPPING[kind]().vision_config.to_dict()
    seen = {name: value for name, value in seen.items() if name in own}
    return CONFIG_MAPPING[kind](
        text_config=text.to_dict(), vision_config={"model_type": own["model_type"], **seen}
    )


def random_base(kind: str, settings: dict[str, Any]) -> Any:
    """A random model whose answers differ from row to row, in float32."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    torch.manual_seed(7)
    # Of these transformers has no language model alone.
    made = AutoModelForImageTextToText if kind == "mistral3" else AutoModelForCausalLM
    model = made.from_config(tiny_config(kind, **settings), dtype=torch.float32)
    for name, weight in model.named_parameters():
        if weight.dim() == 1 and ("bias" in name or "sinks" in name):
            weight.data.normal_(0, 0.3)
        elif weight.dim() > 1:
            weight.data.normal_(0, 0.12)
    return model.eval().requires_grad_(False)


def write_base(kind: str, settings: dict[str, Any], folder: Path) -> Path:
    """A base folder as the hub has them: config, safetensors and a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    random_base(kind, settings).save_pretrained(folder)
    words = ["<pad>", "<s>", "</s>", *(f"w{i}" for i in range(3, WORDS))]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="w3"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "TokenizersBackend", "pad_token": "<pad>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
