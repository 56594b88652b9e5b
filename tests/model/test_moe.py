"""Experts one after the other or as one product, with and without compilation; and a balance loss that any split leaves alone."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
import torch

from fledge.model.config import ModelConfig
from fledge.model.layers import MLP, MoE
from fledge.model.router import load_balance, router_balance
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE

SHAPE = {
    "model_type": "qwen3_moe",
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "num_experts": 6,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
}


def built(**changes) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(ModelConfig(**{**SHAPE, **changes}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.3)
    return model


def test_one_product_computes_what_one_expert_after_the_other_computes(monkeypatch):
    """Values and gradients, in a batch in which an expert gets nothing."""
    layer = built().model.layers[0].mlp
    with torch.no_grad():
        layer.gate.weight[2] = -layer.gate.weight[0] * 100
    x = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(1)).abs().requires_grad_()
    weight = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(2))
    found = []
    for grouped in (False, True):
        monkeypatch.setattr(MoE, "is_grouped", lambda *_, grouped=grouped: grouped)
        logits: list[torch.Tensor] = []
        out = layer(x, logits)
        grads = torch.autograd.grad((out * weight).sum(), [x, *layer.parameters()], allow_unused=True)
        found.append((out, [torch.zeros(1) if grad is None else grad for grad in grads]))
        used = logits[0].topk(2).indices.unique().tolist()
    assert 0 < len(used) < 6, "the test should have an expert without work"
    assert torch.allclose(found[0][0], found[1][0], atol=1e-5)
    for one, other in zip(found[0][1], found[1][1]):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    "device, dtype, capability, system, grouped",
    [
        ("cuda", torch.bfloat16, 9, "linux", True),
        ("cuda", torch.bfloat16, 8, "linux", False),  # RTX 30: torch would read the sizes on the host
        ("cuda", torch.bfloat16, 12, "linux", False),  # RTX 50 too
        ("cuda", torch.float32, 9, "linux", False),
        ("cuda", torch.bfloat16, 9, "win32", False),
        ("cpu", torch.bfloat16, 9, "linux", False),
    ],
)
def test_where_experts_are_one_product(device, dtype, capability, system, grouped, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(major=capability))
    monkeypatch.setattr("sys.platform", system)
    layer = built().model.layers[0].mlp
    x = SimpleNamespace(device=SimpleNamespace(type=device), dtype=dtype)
    assert layer.is_grouped(x) is grouped
    layer.experts[0].up_proj = torch.nn.Sequential(
        layer.experts[0].up_proj
    )  # adapted: its weight alone is not the layer
    assert not layer.is_grouped(x)
    assert isinstance(layer.experts[0], MLP)


def batches(count: int):
    for seed in range(count):
        yield torch.randint(50, (2, 16), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("grouped", [False, True])
def test_a_compiled_mixture_is_not_compiled_again_for_every_batch(grouped, monkeypatch):
    """Each batch sends other numbers of tokens to the experts."""
    compiled = []

    def count(graph, _):
        compiled.append(graph)
        return graph.forward

    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **kwargs: compile(function, backend=count, **kwargs))
    if grouped:
        monkeypatch.setattr(MoE, "is_grouped", lambda *_: True)
    model = built()
    model.compute_dtype = torch.bfloat16  # what grouped_mm is for
    hidden = model.compiled_hidden()
    with warnings.catch_warnings(), torch._dynamo.config.patch(error_on_recompile=True):
        warnings.simplefilter("ignore")
        for ids in batches(4):
            router: list[torch.Tensor] = []
            plain: list[torch.Tensor] = []
            found, expected = hidden(ids, router_logits=router), model.hidden(ids, router_logits=plain)
            assert (found - expected).abs().max() <= 1e-2 * expected.abs().max() and len(router) == 3
            found.float().sum().backward()
    assert len(compiled) == grouped


def rows(num_layers: int = 3):
    """Logits of 4 rows of 7 tokens; the rows have 7, 4, 1 and no real tokens."""
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(4 * 7, 6, generator=generator, requires_grad=True) for _ in range(num_layers)]
    return logits, torch.arange(7) < torch.tensor([7, 4, 1, 0])[:, None]


@pytest.mark.parametrize("parts", [[[0, 1], [2, 3]], [[0], [1, 2, 3]], [[3], [1], [0], [2]]])
def test_a_split_by_rows_gives_the_same_sum_and_gradients(parts):
    logits, real = rows()
    weight = torch.tensor([3.0, 5.0, 1.0, 0.0])  # targets of a row
    whole = (router_balance(logits, 2, real) * weight).sum()
    expected = torch.autograd.grad(whole, logits)
    total, found = torch.zeros(()), [torch.zeros_like(layer) for layer in logits]
    for part in parts:
        own = [layer.view(4, 7, 6)[part].flatten(0, 1) for layer in logits]
        loss = (router_balance(own, 2, real[part]) * weight[part]).sum()
        for sum, grad in zip(found, torch.autograd.grad(loss, logits)):
            sum += grad
        total = total + loss
    assert torch.allclose(total, whole, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(found, expected))


def test_padding_counts_nowhere():
    logits, real = rows()
    expected = router_balance(logits, 2, real)
    padding = (~real).flatten()
    with torch.no_grad():
        for layer in logits:
            layer[padding] = torch.tensor([9.0, -9.0, 9.0, 0.0, 0.0, 0.0])
    found = router_balance(logits, 2, real)
    assert torch.equal(found, expected) and found[3] == 0
    assert all(grad[padding].abs().max() == 0 for grad in torch.autograd.grad(found.sum(), logits))


def test_one_full_row_of_one_layer_is_the_loss_of_its_batch():
    logits = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    found = router_balance([logits], 2, torch.ones(1, 20, dtype=torch.bool))
    assert torch.allclose(found, load_balance(logits, 2), atol=1e-6)


def test_it_is_k_when_the_load_is_even_and_larger_when_it_is_not():
    even = torch.eye(6).repeat(4, 1) + torch.eye(6).roll(1, 0).repeat(4, 1)  # every expert chosen as often
    real = torch.ones(2, 12, dtype=torch.bool)
    assert torch.allclose(router_balance([even * 0.1], 2, real), torch.tensor(2.0), atol=1e-5)
    assert (router_balance([torch.tensor([[5.0, 5, 0, 0, 0, 0]]).expand(24, -1)], 2, real) > 5).all()


def test_the_router_learns_to_spread():
    model = built(num_hidden_layers=1)
    with torch.no_grad():
        model.model.layers[0].mlp.gate.weight[1:] -= 0.4
    ids = torch.randint(50, (4, 16), generator=torch.Generator().manual_seed(0))
    seen = []
    for _ in range(30):
        logits: list[torch.Tensor] = []
        model.hidden(ids, router_logits=logits)
        loss = router_balance(logits, 2, torch.ones(4, 16, dtype=torch.bool)).mean()
        seen.append(loss.item())
        gate = model.model.layers[0].mlp.gate.weight
        (grad,) = torch.autograd.grad(loss, gate)
        with torch.no_grad():
            gate -= 0.1 * grad
    assert seen[-1] < 2 + (seen[0] - 2) / 2


def test_parts_of_the_experts_are_used_in_one_product(monkeypatch):
    """`--parts mine`: a learner's SwiGLU takes its place there too."""
    calls = []
    monkeypatch.setattr(MoE, "is_grouped", lambda *_: True)
    layer = built().model.layers[0].mlp
    layer.parts = SimpleNamespace(
        route_tokens=REFERENCE.route_tokens, swiglu=lambda g, u: calls.append(g.shape) or REFERENCE.swiglu(g, u)
    )
    layer(torch.randn(1, 5, 32), None)
    assert calls == [(10, 16)]
