"""What labs that train have in common: a made-up language of known entropy, a small model, an equal sweep of learning rates.

All copies of a model, one for every learning rate, are trained side by side (torch.func.vmap): on a CPU that costs little
more than one of them, and no arm is favoured by the rate that it happens to be given.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from fledge.model.config import ModelConfig
from fledge.model.layers import Block
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE, Parts
from fledge.parts.reference import causal_mask, explicit_attention

Kind = Literal["one", "sum", "pair"]
Loss = Callable[[Tensor, Tensor], Tensor]  # (logits [B, T, V], targets [B, T]) -> a scalar


class Language:
    """Words whose odds depend on the words before: what guessing gives is ln V, and the entropy is known exactly.

    kind "one": on the word before. "sum": on the two words before, each adding its own to the log-odds. "pair": every pair
    of words has odds of its own, so that the two must be combined. `spread` is how uneven the odds are.
    """

    def __init__(self, vocab: int, *, kind: Kind = "sum", spread: float = 1.5, seed: int = 0):
        draw = torch.Generator().manual_seed(seed)
        older, newer = spread * torch.randn(2, vocab, vocab, generator=draw)
        pair = spread * torch.randn(vocab, vocab, vocab, generator=draw)
        self.vocab = vocab
        logits = {"one": newer[None].expand(vocab, -1, -1), "sum": older[:, None] + newer[None], "pair": pair}[kind]
        self.odds = logits.softmax(-1)  # [two before, one before, next]
        pairs = torch.full((vocab, vocab), 1 / vocab**2)
        for _ in range(200):  # until the share of every pair of words no longer changes
            pairs = torch.einsum("ab,abc->bc", pairs, self.odds)
        self.entropy = -(pairs[..., None] * self.odds * self.odds.log()).sum().item()  # nats a word
        words = pairs.sum(0)
        # of who knows how frequent every word is, and no more
        self.entropy_of_none = -(words * words.log()).sum().item()
        after = torch.einsum("ab,abc->bc", pairs, self.odds)  # who sees the word before alone cannot beat this:
        self.entropy_of_one = -(after * (after / after.sum(1, keepdim=True)).log()).sum().item()

    def rows(self, count: int, length: int, seed: int) -> Tensor:
        """`count` new rows of `length` words, int64 [count, length]."""
        draw = torch.Generator().manual_seed(seed)
        words = list(torch.randint(self.vocab, (2, count), generator=draw))
        while len(words) < length + 10:
            words.append(torch.multinomial(self.odds[words[-2], words[-1]], 1, generator=draw)[:, 0])
        return torch.stack(words[10:], 1)  # the first ten words still show the random start


@functools.cache
def language(vocab: int, kind: Kind = "sum", spread: float = 1.5) -> Language:
    """The same language for every arm and seed."""
    return Language(vocab, kind=kind, spread=spread)


@functools.lru_cache(maxsize=4)
def batches(vocab: int, steps: int, seed: int, rows: int = 8, length: int = 16, kind: Kind = "sum") -> Tensor:
    """New rows for every step, [steps, rows, length + 1], the same ones for every arm: the training loss is a test loss."""
    return language(vocab, kind).rows(steps * rows, length + 1, seed).view(steps, rows, length + 1)


def next_word_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def sweep(
    model: nn.Module,
    rates: Sequence[float],
    data: Sequence[Tensor] | Tensor,
    loss: Loss = next_word_loss,
    *,
    warmup: float = 0.0,
) -> Tensor:
    """Train one copy of `model` at every rate with AdamW (no decay) -> losses [steps, rates].

    `warmup` is the share of the steps over which a rate rises from 0. An item of `data` is a batch of rows [B, T + 1]: the
    model sees the first T, the targets are the last T. The model may not use torch's fused attention (vmap has none): see
    `plain_attention`. The model itself is not changed.
    """
    names, start = zip(*model.named_parameters())
    sizes = [weight.numel() for weight in start]

    def of_one(flat: Tensor, ids: Tensor) -> Tensor:
        pieces = zip(names, flat.split(sizes), start)
        weights = {name: piece.view(like.shape) for name, piece, like in pieces}
        return loss(functional_call(model, weights, (ids[:, :-1],)), ids[:, 1:])

    of_all = vmap(of_one, in_dims=(0, None))
    flat = nn.utils.parameters_to_vector(start).detach().repeat(len(rates), 1).requires_grad_()
    speed = torch.tensor(rates)[:, None]
    mean, square, losses = torch.zeros_like(flat), torch.zeros_like(flat), []
    for step, ids in enumerate(data, 1):
        value = of_all(flat, ids)
        (grad,) = torch.autograd.grad(value.sum(), flat)  # a copy's loss depends on its own row alone
        mean.lerp_(grad, 0.1)
        square.mul_(0.95).addcmul_(grad, grad, value=0.05)
        corrected = (square / (1 - 0.95**step)).sqrt_().add_(1e-8)
        rising = min(1.0, step / max(warmup * len(data), 1.0))
        with torch.no_grad():
            flat -= rising * speed / (1 - 0.9**step) * mean / corrected
        losses.append(value.detach())
    return torch.stack(losses)


def train_at_best(
    new: Callable[[], nn.Module], rates: Sequence[float], data: Sequence[Tensor] | Tensor, loss: Loss = next_word_loss
) -> nn.Module:
    """Train one `new` model after the other with AdamW (no decay), and return that of the rate whose last tenth is lowest."""
    found = []
    for rate in rates:
        model, history = new(), []
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
        for ids in data:
            value = loss(model(ids[:, :-1]), ids[:, 1:])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            history.append(value.item())
        found.append((sum(history[-max(len(history) // 10, 1) :]), model))
    return min(found, key=lambda one: one[0])[1]


def final(losses: Tensor, worst: float) -> list[float]:
    """The mean loss of the last tenth, for every rate; what diverged counts as `worst`, and nothing counts as more."""
    last = losses[-max(len(losses) // 10, 1) :].mean(0)
    return last.nan_to_num(worst).clamp(max=worst).tolist()  # type: ignore[no-any-return]


def plain_attention(q_BHTD: Tensor, k_BHSD: Tensor, v_BHSD: Tensor, mask: Tensor | None) -> Tensor:
    """Causal attention as the formula has it, for `Parts(attention=…)` of a model in a sweep."""
    return explicit_attention(q_BHTD, k_BHSD, v_BHSD, causal_mask(q_BHTD.shape[2], q_BHTD))


class PostNorm(Block):
    """The norm behind every addition, norm(x + branch(x)) (Vaswani et al., 2017), for `tiny_model(block=…)`."""

    def forward(self, x_BTD: Tensor, rope: Any, mask: Any, cache: Any, router_logits: Any) -> Tensor:
        x_BTD = self.input_layernorm(x_BTD + self.self_attn(x_BTD, rope, mask, cache))
        return self.post_attention_layernorm(x_BTD + self.mlp(x_BTD))


def tiny_model(
    vocab: int,
    seed: int,
    *,
    width: int = 32,
    layers: int = 2,
    heads: int = 2,
    tie: bool = False,
    parts: Parts = REFERENCE,
    block: type[Block] = Block,
) -> Transformer:
    """Fledge's own model, small enough for a sweep. `block`: a subclass that computes its forward pass another way.

    Every matrix of the blocks starts with variance 1 / fan-in, those that lead back into the stream too, so that all
    branches take part from the first step.
    """
    config = ModelConfig(
        model_type="llama",
        vocab_size=vocab,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        tie_word_embeddings=tie,
    )
    parts = dataclasses.replace(parts, attention=plain_attention)
    model = Transformer(config, parts)
    model.model.layers = nn.ModuleList(block(config, layer, parts) for layer in range(layers))
    model.init_weights(seed)
    for name, weight in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)  # torch's seed is that of the run
    return model
