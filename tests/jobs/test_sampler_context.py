"""The samples that training shows: their prompts fit the model's context, whatever the validation rows are."""

from __future__ import annotations

import pytest

import fledge
from fledge.tokenizer import Tokenizer

CONTEXT = 64
TEXTS = [f"the {a} cat sat on the {b} mat. 猫坐在{b}垫子上。" for a in ("red", "old") for b in ("big", "small")] * 20
SHAPE = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 32}


def chat(words: int) -> dict:
    messages = [{"role": "user", "content": "cat " * words}, {"role": "assistant", "content": "it sat."}]
    return {"messages": messages}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """(the tokenizer's folder, a model whose context is CONTEXT tokens)."""
    folder = tmp_path_factory.mktemp("base")
    Tokenizer.train(TEXTS, 320).save(folder / "tokenizer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEDGE_RUNS", str(folder / "runs"))
        run = train("pretrain", folder / "tokenizer", rows=TEXTS, set=SHAPE | {"max_position_embeddings": CONTEXT})
        yield folder / "tokenizer", run.model_dir


def train(job: str, tokenizer, **settings):
    fixed = {"steps": 2, "seq_len": CONTEXT, "batch_size": 2, "device": "cpu", "precision": "fp32"}
    return fledge.train(job, tokenizer=str(tokenizer), **fixed | settings)


def test_a_long_question_among_the_validation_rows_does_not_stop_the_run(base):
    tokenizer, model = base
    rows = [chat(3)] * 20
    run = train("sft", tokenizer, model=str(model), rows=rows, val_rows=[chat(90), chat(3), chat(80), chat(3)])
    assert run.info["status"] == "done"
    shown = [sample for line in run.samples() for sample in line.get("samples", [line])]
    own = Tokenizer.load(tokenizer)
    assert shown and all(0 < len(own.encode(sample["prompt"])) < CONTEXT for sample in shown if "prompt" in sample)


def test_a_context_shorter_than_the_beginning_of_a_text(base):
    tokenizer, _ = base
    small = SHAPE | {"max_position_embeddings": 8}
    run = train("pretrain", tokenizer, rows=TEXTS, val_rows=TEXTS[:4], set=small, seq_len=8)
    assert run.info["status"] == "done" and run.samples()
