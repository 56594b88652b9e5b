"""Logits equal transformers' for tiny random models of all families, in both directions of save and load."""

from __future__ import annotations

import pytest
import torch

from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.transformer import Transformer

TINY = dict(
    vocab_size=160,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=32,
    max_position_embeddings=256,
)
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
MOE = dict(model_type="qwen3_moe", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=48)
GEMMA = dict(
    model_type="gemma3_text", num_hidden_layers=5, sliding_window=16, rope_theta=1e6, rope_local_base_freq=1e4,
    layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention", "full_attention"],
)  # fmt: skip
CONFIGS = {
    "qwen2": dict(model_type="qwen2", rope_theta=1e6),
    "qwen2-untied": dict(model_type="qwen2", tie_word_embeddings=False),
    "qwen3": dict(rope_theta=1e6),
    "qwen3-untied": dict(tie_word_embeddings=False),
    "qwen3-yarn": dict(rope_scaling=YARN),
    "qwen3-moe": MOE,
    "qwen3-moe-unnormalised": dict(**MOE, norm_topk_prob=False),
    "qwen3-moe-sparse-step": dict(**MOE, decoder_sparse_step=2),
    "llama": dict(model_type="llama", rope_theta=5e5, rms_norm_eps=1e-5),
    "llama3-scaling": dict(model_type="llama", rope_scaling=LLAMA3, tie_word_embeddings=False),
    "llama-linear-bias": dict(
        model_type="llama", rope_scaling={"rope_type": "linear", "factor": 2.0}, attention_bias=True
    ),
    "gemma3": GEMMA,
    "gemma3-scaled": dict(**GEMMA, rope_scaling={"rope_type": "linear", "factor": 8.0}, query_pre_attn_scalar=24),
    "gemma3-one-kind": dict(model_type="gemma3_text", layer_types=["full_attention"] * 3, head_dim=16),
    "mistral-window": dict(model_type="mistral", sliding_window=16, tie_word_embeddings=False),
}


def random_model(changes: dict) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(ModelConfig(**{**TINY, **changes})).eval()
    for parameter in model.parameters():  # no zeros or ones anywhere: a forgotten tensor must show
        torch.nn.init.normal_(parameter, 0.1, 0.2)
    return model


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_equal_transformers_both_ways(name, tmp_path):
    transformers = pytest.importorskip("transformers")
    ours = random_model(CONFIGS[name])
    save_model(ours, tmp_path / "ours")
    theirs, info = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "ours", output_loading_info=True, attn_implementation="eager"
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    ids = torch.randint(0, TINY["vocab_size"], (2, 80), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(ids).logits
        scale = expected.abs().max()
        assert (ours(ids) - expected).abs().max() <= 1e-5 * max(1.0, scale)
        theirs.save_pretrained(tmp_path / "theirs")
        back = load_model(tmp_path / "theirs")
        assert (back(ids) - expected).abs().max() <= 1e-5 * max(1.0, scale)
    assert back.state_dict().keys() == ours.state_dict().keys()


def test_saved_config_has_both_spellings(tmp_path):
    import json

    save_model(random_model({**MOE, "rope_theta": 1e6}), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 1e6
    assert config["num_experts"] == config["num_local_experts"] == 4
    assert config["torch_dtype"] == config["dtype"] == "float32"
