"""Adapters: they begin as nothing, train alone, merge and come out again to the bit, and live as folders that name their base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fledge.adapt.format import LINEAR, AdapterConfig, with_base
from fledge.adapt.lora import (
    adapter_tensors,
    adapters,
    add_adapter,
    block_linears,
    chosen_layers,
    load_adapter,
    merge_adapter,
    save_adapter,
    unmerge,
    use_adapter,
)
from fledge.adapt.quantised import NF4Linear, keep_frozen_in, quantise_blocks
from fledge.errors import UserError
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.source import find_model
from fledge.model.transformer import Transformer

IDS = torch.randint(0, 90, (2, 12), generator=torch.Generator().manual_seed(1))
SHAPE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}


def tiny(model_type: str = "qwen3", **changes) -> Transformer:
    model = Transformer(ModelConfig(model_type, 90, head_dim=16, **{**SHAPE, **changes}))
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(1.0 if parameter.dim() == 1 else 0.0, 0.1, generator=generator)
    return model.requires_grad_(False)


@pytest.fixture
def base(tmp_path) -> Path:
    save_model(tiny(), tmp_path / "base")
    return tmp_path / "base"


def moved(model: Transformer, name: str, seed: int = 3) -> None:
    """As if it had been trained."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in adapter_tensors(model, name).values():
        parameter.data.add_(torch.empty(parameter.shape).normal_(0, 0.05, generator=generator))


@pytest.mark.parametrize("settings", [{}, {"use_dora": True}, {"lora_dropout": 0.5}])
def test_it_begins_as_nothing_and_is_all_that_is_trained(settings):
    model = tiny()
    before = model(IDS)
    add_adapter(model, "mine", AdapterConfig(r=4, **settings))
    assert (model(IDS) - before).abs().max() < 1e-6
    model(IDS).square().mean().backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert trained == {name for name, p in model.named_parameters() if ".adapters.mine." in name}
    assert len(trained) == 2 * 7 * (3 if settings.get("use_dora") else 2)


def test_dropout_falls_on_the_adapter_alone():
    model = tiny()
    before = model(IDS)
    add_adapter(model, "mine", AdapterConfig(r=4, lora_dropout=0.5))
    model.train()
    assert torch.equal(model(IDS), before)  # B = 0: what is dropped on the way in changes nothing yet
    moved(model, "mine")
    assert not torch.equal(model(IDS), model(IDS))
    model.eval()
    assert torch.equal(model(IDS), model(IDS))


@pytest.mark.parametrize("settings", [{}, {"use_dora": True}, {"use_rslora": True, "r": 16}])
@pytest.mark.parametrize("model_type", ["qwen3", "qwen2"])  # Qwen2 has biases
def test_merging_changes_nothing_and_unmerging_brings_every_bit_back(model_type, settings):
    model = tiny(model_type)
    before = model(IDS)
    add_adapter(model, "mine", AdapterConfig(**{"r": 4, **settings}))
    moved(model, "mine")
    adapted = model(IDS)
    assert (adapted - before).abs().max() > 0.1
    merge_adapter(model, "mine")
    assert (model(IDS) - adapted).abs().max() < 1e-5 * adapted.abs().max()
    unmerge(model)
    assert torch.equal(model(IDS), before)
    use_adapter(model, "mine")
    assert torch.equal(model(IDS), adapted)


def test_several_adapters_on_one_base_are_chosen_and_merged_by_name():
    model = tiny()
    before = model(IDS)
    add_adapter(model, "one", AdapterConfig(r=4))
    moved(model, "one", 3)
    one = model(IDS)
    add_adapter(model, "two", AdapterConfig(r=2, target_modules=("q_proj", "v_proj")))
    moved(model, "two", 4)
    two = model(IDS)
    assert list(adapters(model)) == ["one", "two"]
    trained = {name.split(".adapters.")[1].split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"two"}
    use_adapter(model, "one")
    assert torch.equal(model(IDS), one) and not torch.equal(one, two)
    use_adapter(model, None)
    assert torch.equal(model(IDS), before)
    merge_adapter(model, "one")
    merge_adapter(model, "two")
    assert (model(IDS) - one).abs().max() > 1e-3 and (model(IDS) - two).abs().max() > 1e-3
    unmerge(model)
    use_adapter(model, "two")
    assert torch.equal(model(IDS), two)
    with pytest.raises(UserError, match=r"the model has no adapter 'tow'. Did you mean 'two'"):
        use_adapter(model, "tow")


def test_targets_are_names_or_ends_of_names():
    names = block_linears(tiny())
    assert len(names) == 14 and "lm_head" not in names
    assert chosen_layers(names, ("q_proj",)) == [f"model.layers.{i}.self_attn.q_proj" for i in range(2)]
    assert chosen_layers(names, ("layers.1.mlp.up_proj",)) == ["model.layers.1.mlp.up_proj"]
    assert chosen_layers(names, LINEAR) == names
    with pytest.raises(UserError, match="no linear layer 'c_attn' in its blocks: there are q_proj, k_proj"):
        chosen_layers(names, ("q_proj", "c_attn"))


def test_experts_have_adapters_and_their_router_has_none():
    shape = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    model = tiny("qwen3_moe", **shape)
    before = model(IDS)
    add_adapter(model, "mine", AdapterConfig(r=2))
    assert torch.equal(model(IDS), before)
    assert not any(".gate.lora" in name or ".mlp.gate.adapters" in name for name, _ in model.named_parameters())
    model(IDS).square().mean().backward()
    assert any(".experts." in name and p.grad is not None for name, p in model.named_parameters())


# Folders


def trained_on(base: Path, folder: Path, **settings) -> Transformer:
    model = load_model(base)
    add_adapter(model, "mine", with_base(AdapterConfig(r=4, **settings), base, str(base)))
    moved(model, "mine")
    save_adapter(model, "mine", folder)
    return model


@pytest.mark.parametrize("settings", [{}, {"use_dora": True, "target_modules": ("o_proj", "gate_proj")}])
def test_a_folder_goes_back_on_its_base_to_the_bit_and_is_a_model_by_itself(base, tmp_path, settings):
    model = trained_on(base, tmp_path / "mine", **settings)
    again = load_model(base)
    load_adapter(again, tmp_path / "mine", "again")
    assert torch.equal(again(IDS), model(IDS))
    assert adapters(again)["again"] == adapters(model)["mine"]
    assert find_model(tmp_path / "mine") == tmp_path / "mine"
    plain = load_model(tmp_path / "mine")
    assert (plain(IDS) - model(IDS)).abs().max() < 1e-5 * model(IDS).abs().max()
    assert set(plain.state_dict()) == set(tiny().state_dict())
    assert (tmp_path / "mine" / "adapter_model.safetensors").stat().st_size < 0.3 * (
        base / "model.safetensors"
    ).stat().st_size


def test_base_and_adapter_may_move_together(base, tmp_path):
    trained_on(base, tmp_path / "mine")
    (tmp_path / "elsewhere").mkdir()
    base.rename(tmp_path / "elsewhere" / "base")
    shutil.move(tmp_path / "mine", tmp_path / "elsewhere" / "mine")
    load_model(tmp_path / "elsewhere" / "mine")


def test_an_adapter_on_an_adapter(base, tmp_path):
    trained_on(base, tmp_path / "one")
    model = trained_on(tmp_path / "one", tmp_path / "two")
    assert (load_model(tmp_path / "two")(IDS) - model(IDS)).abs().max() < 1e-4


def test_another_base_is_one_sentence(base, tmp_path):
    trained_on(base, tmp_path / "mine")
    other = load_file(base / "model.safetensors")
    other["model.norm.weight"] += 1
    save_file(other, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"belongs to the model '.*base', and the weights in '.*base' are others"):
        load_model(tmp_path / "mine")
    narrow = tiny(hidden_size=32)
    with pytest.raises(UserError, match=r"its 'model.layers.\S+' has \d+×\d+ weights, ours \d+×\d+"):
        load_adapter(narrow, tmp_path / "mine", "mine")
    with pytest.raises(UserError, match=r"this one has no layer 'model.layers.1"):
        load_adapter(tiny(num_hidden_layers=1), tmp_path / "mine", "mine")
    shutil.rmtree(base)
    with pytest.raises(UserError, match=r"is an adapter, and its base model '.*base' is not there"):
        load_model(tmp_path / "mine")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"peft_type": "IA3"}, "an adapter of kind 'IA3'; only LoRA is known here"),
        ({"bias": "all"}, "sets bias"),
        ({"modules_to_save": ["lm_head"]}, "sets modules_to_save"),
        ({"r": "four"}, "cannot be read"),
    ],
)
def test_what_is_not_known_is_one_sentence(base, tmp_path, change, said):
    trained_on(base, tmp_path / "mine")
    path = tmp_path / "mine" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        load_model(tmp_path / "mine")


def test_damaged_weights_are_one_sentence(base, tmp_path):
    trained_on(base, tmp_path / "mine")
    path = tmp_path / "mine" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"adapter_model.safetensors is damaged or incomplete"):
        load_model(tmp_path / "mine")


# Four bits


def test_a_layer_in_four_bits_computes_with_its_values_and_passes_gradients_on():
    model = tiny("qwen2")
    plain = tiny("qwen2")
    quantise_blocks(model)
    layers = [m for m in model.modules() if isinstance(m, NF4Linear)]
    assert len(layers) == 14
    for name, module in model.named_modules():
        if isinstance(module, NF4Linear):
            plain.get_submodule(name).weight.data = module.weight
    x = torch.randn(3, 5, 64)
    for mine, theirs in zip(layers, [m for n, m in plain.named_modules() if n.endswith("_proj")]):
        x1 = torch.randn(3, 5, mine.in_features, requires_grad=True)
        x2 = x1.detach().clone().requires_grad_()
        (mine(x1) ** 2).sum().backward()
        (theirs(x2) ** 2).sum().backward()
        assert torch.equal(x1.grad, x2.grad)
    assert torch.equal(model(IDS), plain(IDS)) and x.shape


def test_four_bits_save_what_they_promise_and_keep_nothing_for_the_backward_pass():
    model = tiny(hidden_size=256, intermediate_size=512)
    numbers = sum(p.numel() for n, p in model.named_parameters() if "_proj" in n)
    quantise_blocks(model)
    kept = sum(p.nbytes for n, p in model.named_parameters() if "_proj" in n)
    assert 4.12 < 8 * kept / numbers < 4.2  # 4 + 8/64 + 32/(64·256) bits, and a mean for every layer
    add_adapter(model, "mine", AdapterConfig(r=4))
    layer = model.get_submodule("model.layers.0.mlp.up_proj")
    saved: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        layer(torch.randn(2, 256, requires_grad=True))
    assert max(t.numel() for t in saved) < 256 * 512 / 4  # no weight among them


def test_frozen_weights_in_half_precision_compute_the_same():
    model = tiny()
    add_adapter(model, "mine", AdapterConfig(r=4))
    moved(model, "mine")
    model.compute_dtype = torch.bfloat16
    before = model(IDS)
    keep_frozen_in(model, torch.bfloat16)
    assert torch.equal(model(IDS), before)
    assert {p.dtype for n, p in model.named_parameters() if "lora" in n} == {torch.float32}
    assert model.lm_head.weight.dtype == torch.bfloat16


def test_an_adapter_trained_on_four_bits_is_merged_into_those(base, tmp_path):
    model = load_model(base)
    quantise_blocks(model)
    config = with_base(AdapterConfig(r=4, base_quantization="nf4"), base, str(base))
    add_adapter(model, "mine", config)
    moved(model, "mine")
    save_adapter(model, "mine", tmp_path / "mine")
    plain = load_model(tmp_path / "mine")
    assert (plain(IDS) - model(IDS)).abs().max() < 1e-5 * model(IDS).abs().max()
