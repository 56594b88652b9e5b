"""Arithmetic beside what torch really does: saved tensors, optimizer state, and the peak of a whole step."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch

from fledge.adapt.format import AdapterConfig
from fledge.adapt.lora import add_adapter
from fledge.adapt.nf4 import BITS
from fledge.adapt.quantised import keep_frozen_in, quantise_blocks
from fledge.jobs import find_job
from fledge.jobs.settings import job_config
from fledge.model.config import ModelConfig
from fledge.model.presets import preset
from fledge.model.reward import RewardTransformer
from fledge.model.transformer import Transformer
from fledge.parts import reference
from fledge.planning import memory
from fledge.planning.memory import (
    Adapter,
    Pass,
    activations,
    attention_kind,
    matrices,
    optimizer_state,
    parameters,
    phases,
    trained,
    weights,
)
from fledge.training import losses
from fledge.training.config import TrainConfig
from fledge.training.divergence import Recipe, distillation_loss
from fledge.training.losses import linear_cross_entropy
from fledge.training.optim import Optimizer

SHAPES = {
    "qwen3": ModelConfig(
        vocab_size=500,
        hidden_size=128,
        intermediate_size=320,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
    ),
    "untied, deep": ModelConfig(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=5,
        num_attention_heads=2,
        num_key_value_heads=2,
        tie_word_embeddings=False,
    ),
    "llama with biases": ModelConfig(
        model_type="llama",
        vocab_size=400,
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=3,
        attention_bias=True,
        mlp_bias=True,
    ),
    "qwen2": ModelConfig(
        model_type="qwen2",
        vocab_size=400,
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=3,
    ),
    "gemma3": ModelConfig(
        model_type="gemma3_text",
        vocab_size=400,
        hidden_size=96,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=50,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        rope_local_base_freq=1e4,
    ),
    "experts": preset(
        "moe-8m", vocab_size=400, hidden_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1
    ),
}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def built(shape: ModelConfig, precision: str = "fp32", checkpoint: bool = False) -> Transformer:
    model = Transformer(shape).init_weights(0)
    model.compute_dtype, model.checkpoint_activations = DTYPES[precision], checkpoint
    return model


def inputs(shape: ModelConfig, step: Pass) -> dict:
    """Random rows; packed ones hold two documents each."""
    B, T = step.batch_size, step.seq_len
    found = {"ids_BT": torch.randint(shape.vocab_size, (B, T), generator=torch.Generator().manual_seed(0))}
    if step.packed:
        found["positions_BT"] = torch.arange(T).repeat(B, 1)
        found["segments_BT"] = (torch.arange(T) * 2 // T).repeat(B, 1)
    if shape.num_experts:
        found["router_logits"] = []
    return found


def saved_bytes(shape: ModelConfig, step: Pass) -> int:
    """Bytes of the storages that autograd keeps after the forward pass, each once, parameters not counted."""
    model = built(shape, step.precision)
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.hidden(**inputs(shape, step))
    return sum(tensor.untyped_storage().nbytes() for pointer, tensor in kept.items() if pointer not in own)


@pytest.mark.parametrize("name", SHAPES)
def test_activations_are_what_autograd_saves(name):
    shape = SHAPES[name]
    grouped = shape.num_attention_heads != shape.num_key_value_heads
    for (rows, tokens), precision, packed in itertools.product(
        [(1, 64), (6, 96), (2, 600)], ["fp32", "bf16"], [False, True]
    ):
        kind = attention_kind("cpu", precision, tokens, packed, grouped)
        step = Pass(rows, tokens, precision, kind, packed)
        assert sum(activations(shape, step).values()) == pytest.approx(saved_bytes(shape, step), rel=0.02), step


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_activations_of_keys_repeated_for_all_heads(precision, monkeypatch):
    """What packed rows with grouped queries take on CUDA."""
    monkeypatch.setattr(reference, "fused_takes_groups", lambda *_: False)
    step = Pass(2, 600, precision, "repeated", packed=True)
    measured = saved_bytes(SHAPES["qwen3"], step)
    assert sum(activations(SHAPES["qwen3"], step).values()) == pytest.approx(measured, rel=0.02)


def test_activations_grow_with_what_they_should():
    shape = SHAPES["qwen3"]

    def size(**changes) -> float:
        return sum(activations(shape, Pass(**{"batch_size": 4, "seq_len": 128, **changes})).values())

    assert size(batch_size=8) == pytest.approx(2 * size(), rel=0.01)
    assert size(attention="explicit") > size() > size(precision="bf16") > size(checkpoint=True)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_parameters_and_optimizer_state_are_the_optimizers(name, optimizer):
    shape = SHAPES[name]
    model = built(shape)
    rule = Optimizer(model, TrainConfig(optimizer=optimizer).with_rates())
    assert optimizer_state(shape, optimizer) == sum(tensor.nbytes for tensor in rule.state.values())
    groups = {group.role: sum(p.numel() for p in group.parameters.values()) for group in rule.groups}
    assert {group: count for group, count in parameters(shape).items() if count} == groups
    sizes = [tuple(p.shape) for group in rule.groups if group.role == "matrices" for p in group.parameters.values()]
    assert matrices(shape) == {size: sizes.count(size) for size in sizes}


def allocated(work: Callable[[], None]) -> int:
    """The highest sum of allocations, as torch's profiler counts them."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    events = profile.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    return max(itertools.accumulate(change for _, change in changes))


SMALL = {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("shape", "step", "optimizer", "accumulation"),
    [
        (ModelConfig(vocab_size=500, num_hidden_layers=2, **SMALL), Pass(8, 128, "bf16", "explicit"), "muon", 1),
        (ModelConfig(vocab_size=500, num_hidden_layers=2, **SMALL), Pass(4, 128, "fp32", "fused"), "adamw", 2),
        (ModelConfig(vocab_size=300, num_hidden_layers=6, **SMALL), Pass(1, 16, "fp32", "fused"), "muon", 1),
        (ModelConfig(vocab_size=20_000, num_hidden_layers=1, **SMALL), Pass(2, 128, "bf16", "explicit"), "muon", 1),
        (
            ModelConfig(vocab_size=300, num_hidden_layers=6, **SMALL),
            Pass(8, 128, "fp32", "fused", checkpoint=True),
            "muon",
            1,
        ),
    ],
    ids=["loss", "accumulation", "optimizer", "large vocabulary", "checkpoints"],
)
def test_the_peak_of_a_step_is_what_torch_allocates(shape, step, optimizer, accumulation):
    """The highest sum of allocations in one whole step, as torch's profiler counts them."""
    model = built(shape, step.precision, step.checkpoint)
    rule = Optimizer(model, TrainConfig(optimizer=optimizer).with_rates())

    def train(step: Pass) -> None:
        for _ in range(accumulation):
            rows = inputs(shape, step)
            targets = rows["ids_BT"].roll(-1)
            loss = linear_cross_entropy(model.hidden(**rows), model.lm_head.weight, targets)
            (loss / targets.numel()).backward()
        rule.step(1.0)

    train(Pass(1, 16, step.precision))
    added = allocated(lambda: train(step))
    stays = sum(p.nbytes for p in model.parameters()) + sum(tensor.nbytes for tensor in rule.state.values())
    predicted = max(sum(terms.values()) for terms in phases(shape, step, optimizer, accumulation).values())
    assert predicted - stays == pytest.approx(added, rel=0.1)


def test_a_frozen_model_costs_its_weights_only():
    shape, step = SHAPES["qwen3"], Pass(2, 64)
    alone, beside = phases(shape, step, "muon", 1), phases(shape, step, "muon", 1, frozen=[shape])
    for moment, terms in beside.items():
        assert sum(terms.values()) - sum(alone[moment].values()) == 4 * sum(parameters(shape).values())


def test_on_a_gpu_nothing_needs_the_whole_matrix():
    assert attention_kind("cuda", "bf16", 512, packed=True, grouped=True) == "repeated"
    assert attention_kind("cuda", "fp32", 512, packed=False, grouped=True) == "repeated"
    assert attention_kind("cuda", "bf16", 512, packed=True, grouped=False) == "fused"
    assert attention_kind("cuda", "bf16", 512, packed=False, grouped=True) == "fused"
    short, long = (
        sum(activations(SHAPES["qwen3"], Pass(2, tokens, "bf16", "repeated")).values()) for tokens in (512, 1024)
    )
    mask = 2 * (1024**2 - 2 * 512**2) * 2  # one for all layers, in bf16
    assert long - 2 * short <= mask


def test_constants_are_those_of_the_code_they_describe(monkeypatch):
    assert memory.MAX_LOGITS == losses.MAX_LOGITS
    written_out = []
    monkeypatch.setattr(reference, "explicit_attention", lambda q, *rest: written_out.append(q.shape[2]) or q)
    for tokens in (memory.EXPLICIT_UP_TO, memory.EXPLICIT_UP_TO + 1):
        q = torch.zeros(1, 1, tokens, 8, dtype=torch.bfloat16, requires_grad=True)
        reference.attention(q, q, q, None)
    assert written_out == [memory.EXPLICIT_UP_TO]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_peak_of_a_reward_model_s_step_has_no_logits(precision):
    shape = ModelConfig(vocab_size=20_000, num_hidden_layers=2, **SMALL)
    step = Pass(4, 128, precision, "explicit" if precision == "bf16" else "cpu", tables=0)
    model = RewardTransformer.of(built(shape, precision))
    rule = Optimizer(model, TrainConfig(optimizer="adamw").with_rates())

    def train(step: Pass) -> None:
        model.rewards(model.hidden(**inputs(shape, step))[:, -1]).sum().backward()
        rule.step(1.0)

    train(Pass(1, 16, precision))
    added = allocated(lambda: train(step))
    stays = sum(p.nbytes for p in model.parameters()) + sum(tensor.nbytes for tensor in rule.state.values())
    moments = {name: sum(terms.values()) - stays for name, terms in phases(shape, step, "adamw", 1).items()}
    assert max(moments.values()) == pytest.approx(added, rel=0.15), moments


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["forward", "reverse", "js"])
def test_the_peak_beside_a_teacher_has_its_logits_too(kind, precision):
    """At a large vocabulary they are most of what a step allocates."""
    shape = ModelConfig(vocab_size=20_000, num_hidden_layers=1, **SMALL)
    tables = find_job("distill").planning.tables(job_config("distill", divergence=kind))
    step = Pass(4, 128, precision, "explicit" if precision == "bf16" else "cpu", tables=tables)
    model, teacher = built(shape, precision), built(shape, precision).requires_grad_(False)
    rule = Optimizer(model, TrainConfig(optimizer="adamw").with_rates())

    def train(step: Pass) -> None:
        rows = inputs(shape, step)
        targets, own, its = rows["ids_BT"].roll(-1), model.lm_head.weight, teacher.lm_head.weight
        with torch.no_grad():
            judged = teacher.hidden(**rows)
        loss, _, _ = distillation_loss(model.hidden(**rows), own, judged, its, targets, Recipe(kind, 1.5, 0.5))
        (loss / targets.numel()).backward()
        rule.step(1.0)

    train(Pass(1, 16, precision))
    added = allocated(lambda: train(step))
    stays = sum(p.nbytes for p in model.parameters()) + sum(tensor.nbytes for tensor in rule.state.values())
    predicted = max(sum(terms.values()) for terms in phases(shape, step, "adamw", 1).values())
    assert predicted - stays == pytest.approx(added, rel=0.2)


ADAPTERS = {
    "lora": Adapter(4, ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")),
    "few layers, dropout": Adapter(8, ("q_proj", "v_proj"), dropout=True),
    "dora": Adapter(4, ("q_proj", "down_proj"), dora=True),
    "four bits": Adapter(4, ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), bits=BITS),
}


def adapted(shape, step) -> tuple:
    """(a model with that adapter, its optimizer)"""
    adapter = step.adapter
    model = built(shape, step.precision, step.checkpoint)
    if adapter.bits is not None:
        quantise_blocks(model)
    dropout = 0.1 if adapter.dropout else 0.0
    settings = AdapterConfig(adapter.rank, lora_dropout=dropout, target_modules=adapter.targets, use_dora=adapter.dora)
    add_adapter(model, "mine", settings)
    keep_frozen_in(model, model.compute_dtype)
    return model.train(), Optimizer(model, TrainConfig(optimizer="adamw").with_rates())


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_adapter_costs_what_it_keeps(name, precision):
    shape, step = SHAPES["qwen3"], Pass(4, 96, precision, "explicit", adapter=ADAPTERS[name])
    model, rule = adapted(shape, step)
    terms = weights(shape, step)
    own = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    assert terms["adapter"] == own == 4 * sum(trained(shape, step.adapter).values())
    assert terms["weights"] == pytest.approx(sum(p.nbytes for p in model.parameters()) - own, rel=0.01)
    assert (
        optimizer_state(shape, "adamw", step.adapter) == sum(tensor.nbytes for tensor in rule.state.values()) == 2 * own
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ADAPTERS)
def test_the_peak_of_a_step_with_an_adapter_is_what_torch_allocates(name):
    shape = ModelConfig(vocab_size=500, num_hidden_layers=3, **SMALL)
    step = Pass(8, 128, "fp32", "cpu", adapter=ADAPTERS[name])
    model, rule = adapted(shape, step)

    def train(step: Pass) -> None:
        rows = inputs(shape, step)
        targets = rows["ids_BT"].roll(-1)
        loss = linear_cross_entropy(model.hidden(**rows), model.lm_head.weight, targets)
        (loss / targets.numel()).backward()
        rule.step(1.0)

    train(Pass(1, 16))
    added = allocated(lambda: train(step))
    stays = sum(p.nbytes for p in model.parameters()) + sum(tensor.nbytes for tensor in rule.state.values())
    predicted = max(sum(terms.values()) for terms in phases(shape, step, "adamw", 1).values())
    assert predicted - stays == pytest.approx(added, rel=0.15)
