"""Gemma 3: its config.json in both spellings, what is refused, and new weights that learn."""

from __future__ import annotations

import pytest
import torch

from fledge.errors import UserError
from fledge.model.config import ModelConfig
from fledge.model.layers import RMSNorm
from fledge.model.rope import rope_frequencies
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE
from fledge.training.config import TrainConfig
from fledge.training.optim import Optimizer

HUB = {  # gemma-3-1b-it's, as it was published
    "architectures": ["Gemma3ForCausalLM"], "attention_bias": False, "attn_logit_softcapping": None, "bos_token_id": 2,
    "cache_implementation": "hybrid", "eos_token_id": [1, 106], "final_logit_softcapping": None, "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152, "intermediate_size": 6912, "model_type": "gemma3_text",
    "max_position_embeddings": 32768, "num_attention_heads": 4, "num_hidden_layers": 26, "num_key_value_heads": 1,
    "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000,
    "rope_scaling": None, "rope_theta": 1000000, "sliding_window": 512, "sliding_window_pattern": 6, "vocab_size": 262144,
}  # fmt: skip
TINY = dict(
    model_type="gemma3_text", vocab_size=60, hidden_size=32, intermediate_size=64, num_hidden_layers=3,
    num_attention_heads=2, num_key_value_heads=1, head_dim=16, sliding_window=4, rope_theta=1e6, rope_local_base_freq=1e4,
    layer_types=["sliding_attention", "sliding_attention", "full_attention"],
)  # fmt: skip


def test_the_published_config_and_that_of_transformers_mean_the_same():
    transformers = pytest.importorskip("transformers")
    ours = ModelConfig.from_dict(HUB)
    assert [layer for layer in range(26) if ours.window_of(layer) is None] == [5, 11, 17, 23]
    assert ours.window_of(0) == 512 and ours.end_ids == (1, 106)
    assert ours.num_parameters()["total"] == 999_885_952  # as the hub counts
    new = transformers.AutoConfig.for_model(**{k: v for k, v in HUB.items() if k != "architectures"}).to_dict()
    assert "rope_local_base_freq" not in new and ModelConfig.from_dict(new) == ours
    assert ModelConfig.from_dict(ours.to_dict()) == ours
    bare = {name: HUB[name] for name in ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads")}
    theirs = transformers.AutoConfig.for_model(**bare)
    found = ModelConfig.from_dict(bare)
    assert found.layer_types == theirs.layer_types and found.sliding_window == theirs.sliding_window
    assert (found.rope_theta, found.rope_local_base_freq) == (1e6, 1e4)
    assert (found.bos_token_id, found.end_ids, found.pad_token_id) == (2, (1,), 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "gemma3"}, "reads pictures too"),
        ({"model_type": "gemma2"}, "Gemma 1 and 2 cannot be loaded"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping is set"),
        ({"use_bidirectional_attention": True}, "use_bidirectional_attention is set"),
        ({"hidden_activation": "gelu"}, "hidden_activation is 'gelu'"),
        ({"layer_types": ["full_attention"] * 3}, "for each of the 26 layers"),
        ({"layer_types": ["chunked_attention"] * 26}, "must say sliding_attention or full_attention"),
    ],
)
def test_other_gemmas_are_refused_in_one_sentence(changes, said):
    with pytest.raises(UserError, match=said) as refused:
        ModelConfig.from_dict(HUB | changes)
    assert "\n" not in str(refused.value)


def test_other_families_keep_their_files_and_their_bits():
    for kind in ("qwen3", "llama", "mistral"):
        config = ModelConfig(model_type=kind)
        written = config.to_dict()
        assert not {"layer_types", "rope_local_base_freq", "query_pre_attn_scalar"} & set(written)
        assert ModelConfig.from_dict(written | {"layer_types": ["full_attention"] * 4}).layer_types is None
    x, norm = torch.randn(3, 8).bfloat16(), RMSNorm(8, 1e-6, REFERENCE)
    assert torch.equal(norm(x), REFERENCE.rms_norm(x, norm.weight, 1e-6))


def test_local_layers_turn_by_their_own_base_and_are_not_stretched():
    model = Transformer(ModelConfig(**TINY, rope_scaling={"rope_type": "linear", "factor": 8.0}))
    plain = rope_frequencies(ModelConfig(head_dim=16, rope_theta=1e4))[0]
    assert torch.equal(model.local_inv_freq, plain)
    assert torch.equal(model.inv_freq * 8, rope_frequencies(ModelConfig(head_dim=16, rope_theta=1e6))[0])


def test_new_weights_begin_as_said_and_learn():
    config = ModelConfig(**TINY)
    model = Transformer(config).init_weights(1)
    ids = torch.randint(0, 60, (4, 24), generator=torch.Generator().manual_seed(0))

    def loss() -> torch.Tensor:
        return torch.nn.functional.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())

    begin = loss().item()
    assert begin == pytest.approx(config.initial_loss(), abs=0.2)  # blocks begin as the identity
    rule = Optimizer(model, TrainConfig(optimizer="adamw", lr=0.01).with_rates())
    for _ in range(40):
        loss().backward()
        rule.step(1.0)
        model.zero_grad()
    assert loss().item() < begin / 2  # four rows learnt by heart
