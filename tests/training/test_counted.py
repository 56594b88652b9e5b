"""A beginning that has counted is the table of its text, without a token of what is held out, and only the beginning differs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fledge.api import train
from fledge.data.shards import prepare_rows
from fledge.errors import UserError
from fledge.model.beginning import CONSTANT, look_around
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.tokenizer import Tokenizer
from fledge.training.counted import DISCOUNT, Table, begin_counted

TEXTS = [f"the {a} sees the {b} and the {b} runs" for a in ("cat", "dog", "owl") for b in ("fox", "hen", "pig")] * 4


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(TEXTS, 300)


@pytest.fixture
def dataset(tokenizer, monkeypatch, tmp_path):
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path))
    return prepare_rows([{"text": text} for text in TEXTS], tokenizer, kind="text", name="train")


def new_model(tokenizer, **changes):
    usual = dict(
        vocab_size=tokenizer.vocab_size, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=32, tie_word_embeddings=False,
    )  # fmt: skip
    return look_around(Transformer(ModelConfig(**{**usual, **changes})).init_weights(0))


def by_hand(dataset, vocab_size):
    counts = np.zeros((vocab_size, vocab_size))
    for i in range(len(dataset)):
        ids, _ = dataset.example(i)
        for before, after in itertools.pairwise(ids):
            counts[before, after] += 1
    return torch.from_numpy(counts).float()


def test_the_table_is_what_one_counts_by_hand(dataset, tokenizer):
    counts = by_hand(dataset, tokenizer.vocab_size)
    table = Table(dataset, tokenizer.vocab_size)
    rows = table.rows(0, tokenizer.vocab_size)
    assert torch.allclose(rows.sum(1), torch.ones(len(rows)), atol=1e-5)
    single = (counts.sum(0) + 0.5) / (counts.sum(0) + 0.5).sum()
    kept = (counts - DISCOUNT).clamp(min=0) / counts.sum(1, keepdim=True).clamp(min=1)
    assert torch.allclose(rows, kept + (1 - kept.sum(1, keepdim=True)) * single, atol=1e-6)
    assert torch.equal(table.rows(7, 19), rows[7:19])


def test_what_is_held_out_is_not_counted(dataset, tokenizer):
    train_part, held = dataset.split(0.25)
    assert len(held)
    assert Table(train_part, tokenizer.vocab_size).total.sum() == sum(
        len(train_part.example(i)[0]) - 1 for i in range(len(train_part))
    )


def test_embedding_and_head_hold_the_table(dataset, tokenizer):
    model = new_model(tokenizer)
    blocks = {name: p.clone() for name, p in model.model.layers.named_parameters()}
    loss = begin_counted(model, dataset)
    counts = by_hand(dataset, tokenizer.vocab_size)
    embedding, head = model.model.embed_tokens.weight, model.lm_head.weight
    logits = F.rms_norm(embedding, embedding.shape[1:]) @ head.T
    pairs = -(counts * logits.log_softmax(1)).sum() / counts.sum()
    entropy = -(counts * (counts / counts.sum(1, keepdim=True).clamp(min=1)).clamp(min=1e-9).log()).sum() / counts.sum()
    # Discounts and a rank of 64 keep it above the entropy of pairs; without it the loss would be near ln V.
    assert entropy < pairs < entropy + 0.25 * (math.log(tokenizer.vocab_size) - entropy)
    assert loss < 0.5 * math.log(tokenizer.vocab_size)
    assert (embedding[:, 0] == CONSTANT).all()  # attention's beginning reads it
    assert torch.allclose(embedding[:, 1:].norm(dim=1), torch.tensor(63.0).sqrt(), rtol=1e-4)
    assert all(torch.equal(p, blocks[name]) for name, p in model.model.layers.named_parameters())
    again = new_model(tokenizer)
    begin_counted(again, dataset)
    assert torch.equal(head, again.lm_head.weight)


def test_a_tied_head_is_refused(dataset, tokenizer):
    with pytest.raises(ValueError, match="symmetric"):
        begin_counted(new_model(tokenizer, tie_word_embeddings=True), dataset)


def test_a_run_begins_with_what_was_counted(tmp_path, monkeypatch, tokenizer):
    monkeypatch.setenv("FLEDGE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path / "cache"))
    tokenizer.save(tmp_path / "tokenizer")
    usual = dict(rows=[{"text": text} for text in TEXTS], val_rows=[{"text": text} for text in TEXTS[:4]],
                 tokenizer=str(tmp_path / "tokenizer"), preset="cpu-2m", steps=2, seq_len=32, batch_size=4)  # fmt: skip
    first = {}
    for begin in ("random", "counted"):
        run = train("pretrain", run=begin, begin=begin, **usual)
        first[begin] = next(line["val_loss"] for line in run.metrics() if "val_loss" in line)
    assert first["random"] == pytest.approx(math.log(tokenizer.vocab_size), abs=0.01)
    assert first["counted"] < 0.8 * first["random"]
    assert run.info["landmarks"]["counted"] < first["random"]
    assert run.info["config"]["embed_lr"] == 0.1
    with pytest.raises(UserError, match="head"):
        train("pretrain", run="tied", begin="counted", set={"tie_word_embeddings": True}, **usual)
