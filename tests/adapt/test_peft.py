"""PEFT and bitsandbytes are the authorities: the same numbers forward and backward, and each reads what the other wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fledge.adapt import nf4
from fledge.adapt.format import AdapterConfig, with_base
from fledge.adapt.lora import adapter_tensors, add_adapter, load_adapter, save_adapter
from fledge.adapt.quantised import by_bitsandbytes
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.transformer import Transformer

pytestmark = pytest.mark.slow
IDS = torch.randint(0, 90, (2, 12), generator=torch.Generator().manual_seed(1))
KINDS = {
    "lora": {"r": 4, "lora_alpha": 12.0},
    "rslora": {"r": 4, "lora_alpha": 6.0, "use_rslora": True, "target_modules": ("q_proj", "down_proj")},
    "dora": {"r": 4, "lora_alpha": 8.0, "use_dora": True},
}


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3"])
def base(request, tmp_path_factory) -> Path:
    """A tiny model whose weights are nowhere 0; Qwen2 has biases."""
    shape = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = Transformer(ModelConfig(request.param, 90, head_dim=12, tie_word_embeddings=False, **shape))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(1.0 if parameter.dim() == 1 else 0.0, 0.1, generator=generator)
    folder = tmp_path_factory.mktemp("peft") / "base"
    save_model(model, folder)
    return folder


def theirs(base: Path):
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_peft_reads_ours_and_computes_the_same_logits_and_gradients(base, kind, tmp_path):
    import peft

    ours = load_model(base)
    add_adapter(ours, "mine", with_base(AdapterConfig(**KINDS[kind]), base, str(base)))
    shake(adapter_tensors(ours, "mine"), 2)
    save_adapter(ours, "mine", tmp_path)
    other = peft.PeftModel.from_pretrained(theirs(base), str(tmp_path), is_trainable=True)
    agree(ours, other)


@pytest.mark.parametrize("kind", KINDS)
def test_we_read_peft_s_and_compute_the_same_logits_and_gradients(base, kind, tmp_path):
    import peft

    settings = KINDS[kind] | {"target_modules": list(KINDS[kind].get("target_modules", ["q_proj", "v_proj"]))}
    other = peft.get_peft_model(theirs(base), peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    shake({name: p for name, p in other.named_parameters() if p.requires_grad}, 3)
    other.save_pretrained(str(tmp_path))
    ours = load_model(base)
    load_adapter(ours, tmp_path, "theirs")
    agree(ours, other)
    merged = load_model(tmp_path)  # as a model of its own: it names its base
    assert (merged(IDS) - other(IDS).logits).abs().max() < 1e-4 * merged(IDS).abs().max()


def shake(parameters: dict[str, torch.Tensor], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in parameters.items():
        parameter.data.add_(torch.empty(parameter.shape).normal_(0, 0.05, generator=generator))
        assert parameter.requires_grad, name


def agree(ours: Transformer, other) -> None:
    """fp32: the same logits, and after the same loss the same gradient of every trained number."""
    mine, logits = ours(IDS), other(IDS).logits
    assert (mine - logits).abs().max() < 1e-5 * max(1.0, logits.abs().max().item())
    for out in (mine, logits):
        out.log_softmax(-1)[..., 3].mean().backward()
    found = {name: p.grad for name, p in ours.named_parameters() if p.requires_grad}
    wanted = {name: p.grad for name, p in other.named_parameters() if p.requires_grad}
    assert len(found) == len(wanted) > 0
    for (name, grad), (name2, grad2) in zip(sorted(found.items()), sorted(wanted.items())):
        assert (grad - grad2).abs().max() < 1e-5 * max(1.0, grad2.abs().max().item()), (name, name2)


@pytest.mark.parametrize("shape", [(128, 64), (300, 192), (100, 70)])
def test_nf4_is_that_of_bitsandbytes(shape):
    import bitsandbytes.functional as bnb

    weight = torch.randn(shape, generator=torch.Generator().manual_seed(4)) * 0.02
    packed, state = bnb.quantize_4bit(weight, blocksize=64, compress_statistics=True, quant_type="nf4")
    ours = nf4.quantise(weight)
    assert torch.equal(nf4.codebook(), bnb.get_4bit_type("nf4", device="cpu"))
    assert torch.equal(nf4.dynamic_codebook(), state.state2.code)
    assert torch.equal(ours.packed, packed.flatten())
    assert torch.equal(ours.scale_of_scales, state.state2.absmax)
    # Between two values of the codebook its library takes a short cut: a few scales in a thousand are one step off the nearest.
    steps = (ours.scales.int() - state.absmax.int()).abs()
    assert steps.max() <= 1 and (steps > 0).float().mean() < 0.02
    state.absmax = ours.scales
    assert (nf4.dequantise(ours) - bnb.dequantize_4bit(packed, state)).abs().max() < 1e-8
    assert (nf4.dequantise(ours) - by_bitsandbytes(ours, torch.float32)).abs().max() < 1e-8
