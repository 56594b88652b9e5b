"""Scores against the definition: one token at a time, each from the inputs that its window has."""

from __future__ import annotations

import json
import math

import pytest
import torch

from fledge.errors import UserError
from fledge.evaluate import score
from fledge.evaluate.score import Score, score_text, score_tokens, token_nats, windows
from fledge.evaluate.text import score_file
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["the cat sat on the mat, 猫坐在垫子上。"] * 20, 280)


@pytest.fixture(scope="module")
def model(tokenizer):
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        max_position_embeddings=32,
    )  # fmt: skip
    model = Transformer(config).init_weights(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith("norm.weight"):
                parameter.normal_(0, 0.3, generator=torch.Generator().manual_seed(len(name)))
    return model


@torch.inference_mode()
def one_by_one(model, ids, window):
    """Token i from the inputs that the sliding window gives it."""
    stride, out = window // 2, []
    for i in range(1, len(ids)):
        block = 0 if i <= window else math.ceil((i - window) / stride)  # of which new half it is part
        end = min(window + block * stride, len(ids) - 1)  # the window's inputs end here
        out.append(-torch.log_softmax(model(torch.tensor([ids[max(0, end - window) : i]]))[0, -1], -1)[ids[i]].item())
    return out


@pytest.mark.parametrize("window", [5, 8, 32])
def test_every_token_is_scored_once_in_its_own_window(model, window, monkeypatch):
    monkeypatch.setattr(score, "TOKENS_A_BATCH", 40)  # several batches, several chunks of logits
    monkeypatch.setattr(score, "LOGITS_A_CHUNK", 280 * 7)
    generator = torch.Generator().manual_seed(0)
    sequences = [torch.randint(0, 280, (n,), generator=generator).tolist() for n in (1, 2, 70, 5, 33, 32, 9)]
    seen: list[int] = []
    nats = token_nats(model, sequences, window=window, advance=seen.append)
    for ids, part in zip(sequences, nats):
        torch.testing.assert_close(
            part, torch.tensor(one_by_one(model, ids, window), dtype=torch.float64), atol=1e-4, rtol=1e-4
        )
    assert sum(seen) == sum(len(ids) - 1 for ids in sequences) and len(seen) > 3
    assert score_tokens(model, sequences[2], window=window) == pytest.approx(nats[2].sum().item())


@pytest.mark.parametrize("num_targets, window", [(1, 2), (7, 8), (8, 8), (9, 8), (100, 8), (101, 7), (1000, 64)])
def test_windows_cover_everything_once_with_enough_context(num_targets, window):
    covered = []
    for start, first, end in windows(num_targets, window):
        covered += range(first, end)
        assert end - start <= window
        assert start == 0 or first - start >= window - window // 2
        assert start == 0 or end - start == window, "a window that could be full is not"
    assert covered == list(range(num_targets))


def test_a_text_is_scored_after_endoftext_and_counted_in_bytes(model, tokenizer):
    text = "the cat 猫坐"
    result = score_text(model, tokenizer, text)
    ids = tokenizer.encode(text)
    assert (result.tokens, result.bytes) == (len(ids), 14)
    assert result.nats == pytest.approx(sum(one_by_one(model, [tokenizer.endoftext_id, *ids], 32)), rel=1e-4)
    with pytest.raises(UserError, match="no text"):
        score_text(model, tokenizer, "")


def test_the_units():
    result = Score(nats=8 * math.log(2), tokens=4, bytes=16)
    assert (result.bpb, result.bits_per_token, result.perplexity) == (0.5, pytest.approx(2), pytest.approx(4))
    assert result + result == Score(16 * math.log(2), 8, 32)


def test_the_model_is_left_as_it_was(model):
    model.train()
    score_tokens(model, [1, 2, 3])
    assert model.training
    model(torch.tensor([[1, 2]])).sum().backward()
    model.zero_grad(set_to_none=True)


def test_a_file_of_documents_scores_each_from_its_own_beginning(model, tokenizer, tmp_path):
    texts = ["the cat sat on the mat", "猫坐在垫子上。" * 20]
    plain, rows = tmp_path / "a.txt", tmp_path / "b.jsonl"
    plain.write_text(texts[1], encoding="utf-8", newline="\n")
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8", newline="\n")
    alone = [score_text(model, tokenizer, text) for text in texts]
    assert score_file(model, tokenizer, plain).nats == pytest.approx(alone[1].nats)
    shares: list[float] = []
    both = score_file(model, tokenizer, rows, advance=shares.append)
    assert (both.tokens, both.bytes) == ((alone[0] + alone[1]).tokens, (alone[0] + alone[1]).bytes)
    assert both.nats == pytest.approx(alone[0].nats + alone[1].nats)
    assert sum(shares) == pytest.approx(1)
    plain.write_text("", encoding="utf-8")
    with pytest.raises(UserError):
        score_file(model, tokenizer, plain)
