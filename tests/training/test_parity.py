"""`parity` against MiniMind's maths written down once more with torch's own parts: AdamW, randperm, clip_grad_norm_.

bench/parity_minimind.py runs the same beside MiniMind's own trainer.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from fledge.data import prepare_rows
from fledge.errors import UserError
from fledge.interop.minimind.padded import PaddedBatches
from fledge.jobs.job import Material
from fledge.jobs.runner import run_job
from fledge.jobs.settings import job_config
from fledge.model.folder import load_model
from fledge.tokenizer import Tokenizer

TEXTS = [f"the {n} cat sat on {n * n} mats. 猫坐在{n}张垫子上。" * (1 + n % 3) for n in range(11)]
T, BATCH, STEPS_APART, LR = 40, 2, 4, 2e-3  # six batches an epoch: a step of four, and two left over
SHAPE = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 32}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    found = Tokenizer.train(TEXTS * 3, 320)
    found.save(folder)
    return found, str(folder)


def rows_of(tokenizer: Tokenizer) -> torch.Tensor:
    rows = []
    for text in TEXTS:
        ids = [tokenizer.im_start_id, *tokenizer.encode(text)[: T - 2], tokenizer.im_end_id]
        rows.append(ids + [tokenizer.endoftext_id] * (T - len(ids)))
    return torch.tensor(rows)


def minimind(model: torch.nn.Module, tokenizer: Tokenizer, epochs: int) -> list[float]:
    """The loss of every optimizer step, as MiniMind's train_epoch computes it."""
    rows, losses = rows_of(tokenizer), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.01)
    batches = math.ceil(len(rows) / BATCH)
    for epoch in range(epochs):
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(42 + epoch))
        step: list[float] = []
        for i, chosen in enumerate(order.split(BATCH), 1):
            for group in optimizer.param_groups:
                share = (epoch * batches + i) / (epochs * batches)
                group["lr"] = LR * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))
            ids = rows[chosen]
            labels = ids.masked_fill(ids == tokenizer.endoftext_id, -100)
            loss = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
            (loss / STEPS_APART).backward()
            step.append(loss.item())
            if i % STEPS_APART == 0 or i == batches:
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                losses.append(sum(step) / len(step))
                step = []
    return losses


def test_the_losses_are_those_of_minimind(tokenizer, tmp_path):
    own, folder = tokenizer
    settings = {"tokenizer": folder, "seq_len": T, "batch_size": BATCH, "precision": "fp32", "set": SHAPE}
    start = run_job("pretrain", job_config("pretrain", steps=1, run="start", **settings), Material(TEXTS))
    config = job_config(
        "minimind_pretrain",
        model="start",
        epochs=5,
        lr=LR,
        accumulation_steps=STEPS_APART,
        **{name: value for name, value in settings.items() if name not in ("set", "tokenizer")},
    )
    run = run_job("minimind_pretrain", config, Material(TEXTS))
    expected = minimind(load_model(start.model_dir), own, epochs=5)
    found = [line["loss"] for line in run.metrics() if "loss" in line]
    assert len(found) == len(expected) == 10
    assert found == pytest.approx(expected, abs=2e-5)
    assert found[-1] < 0.9 * found[0]


def test_padded_rows_are_whole_texts_in_order_and_resume_exactly(tokenizer):
    own, _ = tokenizer
    data = prepare_rows(TEXTS, own, kind="text", name="train")

    def batches() -> PaddedBatches:
        ids = {"pad_id": own.endoftext_id, "bos_id": own.im_start_id, "eos_id": own.im_end_id}
        return PaddedBatches(data, seq_len=T, batch_size=BATCH, **ids)

    rows, first = rows_of(own), batches()
    order = torch.randperm(len(TEXTS), generator=torch.Generator().manual_seed(42))
    epoch = [next(first) for _ in range(6)]
    assert torch.equal(torch.cat([b.inputs_BT for b in epoch]), rows[order][:, :-1])
    assert [b.ends_epoch for b in epoch] == [False] * 5 + [True] and len(epoch[-1].inputs_BT) == 1
    assert sum(b.targets for b in epoch) == int((rows[:, 1:] != own.endoftext_id).sum())
    second = batches()
    second.load_state_dict(first.state_dict())
    assert torch.equal(next(first).inputs_BT, next(second).inputs_BT)


def test_parity_needs_a_length_in_steps_and_texts(tokenizer):
    _, folder = tokenizer
    with pytest.raises(UserError, match="minimind_pretrain goes by steps"):
        config = job_config("minimind_pretrain", budget="5s", tokenizer=folder, set=SHAPE)
        run_job("minimind_pretrain", config, Material(TEXTS))
