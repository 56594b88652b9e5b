"""AdamW is torch's; Muon orthogonalises; schedules and groups are what they say."""

from __future__ import annotations

import pytest
import torch

from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.parts.reference import adamw_step, lr_at
from fledge.training.config import TrainConfig
from fledge.training.optim import Optimizer, orthogonalise, parameter_groups
from fledge.training.scaler import Scaler


def test_adamw_equals_torch():
    torch.manual_seed(0)
    ours, theirs = torch.randn(5, 4), torch.nn.Parameter(torch.empty(5, 4))
    theirs.data.copy_(ours)
    oracle = torch.optim.AdamW([theirs], lr=0.03, betas=(0.8, 0.95), eps=1e-8, weight_decay=0.1)
    m, v = torch.zeros(5, 4), torch.zeros(5, 4)
    for step in range(1, 8):
        grad = torch.randn(5, 4)
        theirs.grad = grad.clone()
        oracle.step()
        adamw_step(ours, grad, m, v, step, lr=0.03, beta1=0.8, beta2=0.95, eps=1e-8, weight_decay=0.1)
    assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (24, 24)])
def test_muon_direction_has_singular_values_near_one_and_keeps_the_singular_vectors(shape):
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(2, *shape), full_matrices=False)
    matrix = u * torch.linspace(0.1, 1.0, min(shape)) @ v  # singular values from 0.1 to 1
    found = orthogonalise(matrix, torch.float32)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.4 and values.max() < 1.6  # four steps: what is between 0.44 and 1.56 comes near enough
    core = u.mT @ found @ v.mT  # diagonal when the singular vectors are the same
    assert (core - torch.diag_embed(core.diagonal(dim1=-2, dim2=-1))).abs().max() < 1e-3


def test_groups_hold_every_parameter_once():
    model = Transformer(ModelConfig(tie_word_embeddings=False, num_hidden_layers=2))
    groups = {group.role: group for group in parameter_groups(model, TrainConfig(optimizer="muon").with_rates())}
    names = [name for group in groups.values() for name in group.parameters]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert groups["matrices"].rule == "muon" and groups["embedding"].rule == groups["head"].rule == "adamw"
    assert all(p.dim() == 2 for p in groups["matrices"].parameters.values())
    assert groups["vectors"].weight_decay == groups["embedding"].weight_decay == 0
    assert {group.rule for group in parameter_groups(model, TrainConfig(optimizer="adamw").with_rates())} == {"adamw"}


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_optimizer_lowers_a_loss(optimizer):
    torch.manual_seed(0)
    model = Transformer(
        ModelConfig(vocab_size=20, hidden_size=32, intermediate_size=32, num_hidden_layers=1)
    ).init_weights()
    step = Optimizer(model, TrainConfig(optimizer=optimizer, lr=0.01).with_rates())
    ids = torch.arange(20).view(1, 20)

    def loss():
        return torch.nn.functional.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:])

    first = loss().item()
    for _ in range(30):
        loss().backward()
        step.step(1.0)
    assert loss().item() < first / 2


def test_schedules():
    wsd = [lr_at(p / 100, warmup=0.1, schedule="wsd", decay=0.2) for p in range(101)]
    assert [wsd[i] for i in (0, 5, 10, 80, 90, 100)] == pytest.approx([0, 0.5, 1, 1, 0.5, 0])
    assert abs(lr_at(0.55, warmup=0.1, schedule="linear") - 0.5) < 1e-9
    assert abs(lr_at(0.55, warmup=0.1, schedule="cosine", floor=0.1) - 0.55) < 1e-9
    assert lr_at(0.99, warmup=0.0, schedule="constant") == 1
    with pytest.raises(ValueError, match="unknown schedule"):
        lr_at(0.5, warmup=0, schedule="steps")


def test_scaler_skips_an_overflow_and_finds_its_scale_again():
    parameter = torch.nn.Parameter(torch.zeros(2))
    scaler = Scaler(True, growth_interval=2)
    start = scaler.scale
    parameter.grad = torch.tensor([float("inf"), 1.0])
    assert scaler.unscale([parameter]) is False and scaler.scale == start / 2
    for _ in range(2):
        parameter.grad = torch.tensor([2.0, 4.0]) * scaler.scale
        assert scaler.unscale([parameter])
        assert parameter.grad.tolist() == [2.0, 4.0]
    assert scaler.scale == start


def test_rates_fall_with_width_and_a_tied_embedding_has_the_rate_of_a_head():
    def rates(**shape):
        groups = parameter_groups(
            Transformer(ModelConfig(num_hidden_layers=1, **shape)), TrainConfig(optimizer="muon").with_rates()
        )
        return {group.role: group.lr for group in groups}

    narrow, wide = rates(tie_word_embeddings=False), rates(tie_word_embeddings=False, hidden_size=1024)
    assert wide["embedding"] == narrow["embedding"] / 2 and wide["matrices"] == narrow["matrices"]
    assert rates(tie_word_embeddings=True)["embedding"] == narrow["head"] < narrow["embedding"]
