"""The reference parts against independent ways to compute the same, and the places where they are used."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from fledge.data import PackedBatches, eval_batches, prepare_rows
from fledge.parts import REFERENCE, Parts
from fledge.parts.table import PARTS
from fledge.tokenizer import Tokenizer


def test_route_tokens_takes_the_most_probable_experts_first():
    logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    for normalise in (True, False):
        weights, experts = REFERENCE.route_tokens(logits, 2, normalise)
        assert weights.dtype == torch.float32 and experts.dtype == torch.int64
        for row, (w, e) in enumerate(zip(weights.tolist(), experts.tolist())):
            powers = [math.exp(x) for x in logits[row].tolist()]
            best = sorted(range(6), key=lambda i: -powers[i])[:2]
            total = sum(powers[i] for i in best) if normalise else sum(powers)
            assert e == best and w == pytest.approx([powers[i] / total for i in best], rel=1e-5)
    assert REFERENCE.route_tokens(logits.bfloat16(), 2, True)[0].dtype == torch.float32


@pytest.mark.parametrize(("scale", "limit"), [(1.0, 1.0), (0.001, 1.0), (3.0, 0.25), (1.0, math.inf), (0.0, 1.0)])
def test_clip_gradients_is_bit_for_bit_what_torch_does(scale, limit):
    generator = torch.Generator().manual_seed(0)
    grads = [torch.randn(size, generator=generator) * scale for size in [(7, 5), (64, 33), (3,)]]
    parameters = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in grads]
    for parameter, grad in zip(parameters, grads):
        parameter.grad = grad.clone()
    expected = torch.nn.utils.clip_grad_norm_(parameters, limit)
    before = math.sqrt(sum(grad.double().square().sum().item() for grad in grads))
    found = REFERENCE.clip_gradients(grads, limit)
    assert torch.equal(found, expected) and found.item() == pytest.approx(before, rel=1e-6)
    assert all(torch.equal(p.grad, grad) for p, grad in zip(parameters, grads))
    after = math.sqrt(sum(grad.double().square().sum().item() for grad in grads))
    assert after == pytest.approx(min(before, limit), rel=1e-5)


def test_sft_targets_learns_answers_only():
    ids = torch.tensor([5, 6, 7, 8, 9])
    answer = torch.tensor([True, False, True, True, False])
    assert REFERENCE.sft_targets(ids, answer).tolist() == [-100, 7, 8, -100, -100]
    assert REFERENCE.sft_targets(ids[:1], answer[:1]).tolist() == [-100]
    assert ids.tolist() == [5, 6, 7, 8, 9]


@pytest.fixture(scope="module")
def chats():
    rows = [
        {
            "conversations": [
                {"role": "user", "content": "how many? " * (1 + n % 5)},
                {"role": "assistant", "content": f"{n} " * (1 + n % 7)},
                {"role": "user", "content": "and then?"},
                {"role": "assistant", "content": f"{n + 1}, of course."},
            ]
        }
        for n in range(60)
    ]
    texts = [message["content"] for row in rows for message in row["conversations"]]
    return rows, Tokenizer.train(texts, 300)


def test_packed_conversations_have_the_targets_of_each_alone(chats, tmp_path, monkeypatch):
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path))
    rows, tokenizer = chats
    data = prepare_rows(rows, tokenizer, kind="chat", name="train")
    alone = {}
    for i in range(len(data)):
        ids, mask = data.example(i)
        alone[tuple(ids[:-1].tolist())] = [int(t) if m else -100 for t, m in zip(ids[1:], mask[1:])]
    settings = {"seq_len": 300, "batch_size": 4, "pad_id": 0, "crop": False}
    batch, found = next(PackedBatches(data, **settings)), 0
    for ids, targets, segments in zip(batch.inputs_BT, batch.targets_BT, batch.segments_BT):
        for number in segments.unique():
            place = segments == number
            if tuple(ids[place].tolist()) in alone:  # else it is padding
                assert targets[place].tolist() == alone[tuple(ids[place].tolist())]
                found += 1
            else:
                assert (targets[place] == -100).all() and number == segments.max()
    assert found > 8
    assert batch.count == int((batch.targets_BT != -100).sum()) > 0


def test_the_part_makes_the_targets_of_training_and_not_those_of_measuring(chats, tmp_path, monkeypatch):
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path))
    rows, tokenizer = chats
    data = prepare_rows(rows, tokenizer, kind="chat", name="train")
    settings = {"seq_len": 120, "batch_size": 3, "pad_id": 0, "crop": False}
    nothing = lambda ids, answer: torch.full_like(ids, -100)  # noqa: E731
    assert next(PackedBatches(data, **settings, sft_targets=nothing)).count == 0
    assert next(eval_batches(data, 120, 3)).count > 0
    seen = []

    def watched(ids, answer):
        seen.append((ids, answer))
        return REFERENCE.sft_targets(ids, answer)

    batch = next(PackedBatches(data, **settings, sft_targets=watched))
    ids, answer = seen[0]
    assert ids.dtype == torch.int64 and answer.dtype == torch.bool and ids.shape == answer.shape
    assert np.count_nonzero(answer) == batch.count


def test_every_part_has_a_default_and_can_be_replaced():
    names = [field.name for field in dataclasses.fields(Parts)]
    assert set(names) == set(PARTS) and all(callable(getattr(REFERENCE, name)) for name in names)
    assert dataclasses.replace(REFERENCE, swiglu=max).swiglu is max
