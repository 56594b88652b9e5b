"""Packed rows do not leak, routers learn from the loss, presets are what they say."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from fledge.errors import UserError
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.presets import PRESETS, preset
from fledge.model.router import load_balance
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE
from fledge.training.losses import linear_cross_entropy

TINY = dict(
    vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, head_dim=16
)
GEMMA = dict(
    model_type="gemma3_text",
    sliding_window=3,
    layer_types=["sliding_attention", "full_attention"],
    rope_local_base_freq=100,
)


def tiny(**changes) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(ModelConfig(**{**TINY, "num_key_value_heads": 1, **changes}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.3)
    return model


@pytest.mark.parametrize("changes", [{}, {"model_type": "mistral", "sliding_window": 3}, GEMMA])
def test_a_packed_row_gives_each_document_what_it_gets_alone(changes):
    model = tiny(**changes).eval()
    a, b = torch.randint(0, 50, (1, 7)), torch.randint(0, 50, (1, 5))
    row = torch.cat([a, b, torch.zeros(1, 2, dtype=torch.long)], dim=1)
    segments = torch.tensor([[0] * 7 + [1] * 5 + [2] * 2])
    positions = torch.tensor([[*range(7), *range(5), 0, 0]])
    with torch.no_grad():
        packed = model(row, positions_BT=positions, segments_BT=segments)
        assert torch.allclose(packed[:, :7], model(a), atol=1e-5)
        assert torch.allclose(packed[:, 7:12], model(b), atol=1e-5)
        # and without segments they would differ: the test can fail
        assert not torch.allclose(model(row, positions_BT=positions)[:, 7:12], model(b), atol=1e-3)


def test_no_gradient_crosses_from_one_document_to_another():
    model = tiny()
    embedded = []
    model.model.embed_tokens.register_forward_hook(lambda _m, _i, out: (out.retain_grad(), embedded.append(out))[0])
    ids = torch.randint(0, 50, (1, 10))
    segments = torch.tensor([[0] * 4 + [1] * 6])
    model(ids, segments_BT=segments)[0, 4:].sum().backward()
    assert embedded[0].grad[0, :4].abs().max() == 0
    assert embedded[0].grad[0, 4:].abs().max() > 0


def moe(**changes) -> Transformer:
    return tiny(model_type="qwen3_moe", num_experts=4, moe_intermediate_size=16, **changes)


def router_gradient(model: Transformer) -> float:
    ids = torch.randint(0, 50, (2, 12), generator=torch.Generator().manual_seed(1))
    linear_cross_entropy(model.hidden(ids[:, :-1]), model.lm_head.weight, ids[:, 1:]).backward()
    return float(model.model.layers[0].mlp.gate.weight.grad.abs().max())


def test_the_router_learns_from_the_language_model_loss_alone():
    assert router_gradient(moe(num_experts_per_tok=2)) > 1e-4
    # the flaw that this guards against: one expert, normalised to weight 1, leaves the router no gradient
    assert router_gradient(moe(num_experts_per_tok=1)) < 1e-6
    assert all(PRESETS[name]["num_experts_per_tok"] >= 2 for name in PRESETS if name.startswith("moe"))


def test_load_balance_equals_transformers():
    load_balancing_loss_func = pytest.importorskip(
        "transformers.models.qwen3_moe.modeling_qwen3_moe"
    ).load_balancing_loss_func
    logits = torch.randn(40, 6)
    expected = load_balancing_loss_func((logits,), num_experts=6, top_k=2)
    assert torch.allclose(load_balance(logits, 2), expected, atol=1e-5)


def test_activation_checkpointing_gives_the_same_gradients():
    grads = []
    for on in (False, True):
        model = tiny()
        model.checkpoint_activations = on
        ids = torch.arange(20).view(2, 10)
        model(ids).square().mean().backward()
        grads.append(model.model.layers[0].mlp.up_proj.weight.grad.clone())
    assert torch.equal(*grads)


def test_a_part_that_is_replaced_is_used():
    calls = []

    def spy(x, weight, eps):
        calls.append(x.shape)
        return REFERENCE.rms_norm(x, weight, eps)

    model = Transformer(tiny().config, dataclasses.replace(REFERENCE, rms_norm=spy))
    model(torch.zeros(1, 3, dtype=torch.long))
    assert len(calls) == 2 * 4 + 1  # two layers: two block norms and two head norms each; and the last norm


@pytest.mark.parametrize("name", PRESETS)
def test_counted_parameters_are_the_real_ones(name):
    config = preset(name)
    with torch.device("meta"):
        model = Transformer(config)
    assert config.num_parameters()["total"] == sum(p.numel() for p in model.parameters())
    if not name.startswith("minimind"):  # K-quants of llama.cpp need rows of a multiple of 256
        assert config.hidden_size % 256 == config.intermediate_size % 256 == config.moe_intermediate_size % 256 == 0


def test_minimind_sizes_are_the_published_ones():
    assert round(preset("minimind-3").num_parameters()["total"] / 1e6, 2) == 63.91
    assert round(preset("minimind-3-moe").num_parameters()["total"] / 1e6, 1) == 198.4
    assert round(preset("minimind2-small").num_parameters()["total"] / 1e6) == 26
    assert round(preset("minimind2").num_parameters()["total"] / 1e6) == 104


def test_initialisation_starts_at_ln_v_and_is_the_same_everywhere():
    model = Transformer(preset("cpu-4m", vocab_size=512)).init_weights(3)
    again = Transformer(preset("cpu-4m", vocab_size=512)).init_weights(3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
    logits = model(torch.arange(64).view(1, 64))
    assert logits.abs().max() == 0  # untied head starts at zero: the loss is exactly ln V


class TestLoading:
    def test_other_shape(self, tmp_path):
        save_model(tiny(), tmp_path)
        text = (tmp_path / "config.json").read_text(encoding="utf-8")
        (tmp_path / "config.json").write_text(text.replace('"vocab_size": 50', '"vocab_size": 60'), encoding="utf-8")
        with pytest.raises(UserError, match=r"embed_tokens.*a vocabulary of 50"):
            load_model(tmp_path)

    def test_other_family(self, tmp_path):
        save_model(tiny(), tmp_path)
        text = (tmp_path / "config.json").read_text(encoding="utf-8")
        (tmp_path / "config.json").write_text(text.replace('"qwen3"', '"llama"'), encoding="utf-8")
        with pytest.raises(UserError, match="QK-norm, so they are Qwen3"):
            load_model(tmp_path)

    def test_biases_are_qwen2_s(self, tmp_path):
        qwen2 = tiny(model_type="qwen2")
        assert qwen2.config.num_parameters()["total"] == sum(p.numel() for p in qwen2.parameters())
        for model, other, said in ((qwen2, "llama", "are Qwen2's"), (tiny(model_type="llama"), "qwen2", "not Qwen2's")):
            save_model(model, tmp_path)
            text = (tmp_path / "config.json").read_text(encoding="utf-8")
            text = text.replace(f'"{model.config.model_type}"', f'"{other}"')
            (tmp_path / "config.json").write_text(text, encoding="utf-8")
            with pytest.raises(UserError, match=said):
                load_model(tmp_path)

    def test_truncated_weights(self, tmp_path):
        save_model(tiny(), tmp_path)
        data = (tmp_path / "model.safetensors").read_bytes()
        (tmp_path / "model.safetensors").write_bytes(data[: len(data) // 2])
        with pytest.raises(UserError, match="damaged or incomplete"):
            load_model(tmp_path)

    def test_no_folder(self, tmp_path):
        with pytest.raises(UserError, match=r"no config\.json"):
            load_model(tmp_path / "nowhere")

    def test_unknown_preset_names_the_nearest(self):
        with pytest.raises(UserError, match="Did you mean 'cpu-2m'"):
            preset("cpu-2mm")
