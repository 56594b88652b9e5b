"""`--epochs` reads every row as often as it says, and the record says how full the rows were."""

from __future__ import annotations

import json

import pytest
import torch

from fledge.errors import UserError
from fledge.jobs.job import Material
from fledge.jobs.runner import run_job
from fledge.jobs.settings import job_config
from fledge.training.gradients import Sums
from tests.jobs.test_fit import SHAPE, TEXTS, pretrain, tokenizer  # noqa: F401 (a fixture)

CHATS = [
    {"messages": [{"role": "user", "content": f"cat {i}?"}, {"role": "assistant", "content": "it sat. " * (1 + i % 5)}]}
    for i in range(200)
]


@pytest.fixture
def base(tokenizer):  # noqa: F811
    return pretrain(tokenizer, run="base", steps=2).name


def tuned(base: str, *, replay: list[str] | None = None, **settings):
    settings = {"model": base, "seq_len": 64, "batch_size": 4, "precision": "fp32", **settings}
    return run_job("sft", job_config("sft", **settings), Material(CHATS, CHATS[:4], replay))


def test_every_conversation_is_read_once_also_beside_replayed_text(base):
    alone, mixed = tuned(base, epochs=1), tuned(base, epochs=1, replay=TEXTS, replay_share=0.4)
    lines, more = ([line for line in run.metrics() if "loss" in line] for run in (alone, mixed))
    assert sum(line["targets"] for line in lines) == alone.info["data"]["train"]["targets"]
    assert len(more) == pytest.approx(len(lines) / 0.6, abs=2)
    for run, steps in ((alone, len(lines)), (mixed, len(more))):
        assert run.info["plan"]["steps"] == pytest.approx(steps, rel=0.1, abs=2)
        assert 0.3 < run.info["data"]["batches"]["utilisation"] < 1


def test_replayed_files_are_looked_for_before_any_work(base, tmp_path):
    chats = tmp_path / "chats.jsonl"
    chats.write_text("".join(json.dumps(row) + "\n" for row in CHATS), encoding="utf-8")
    with pytest.raises(UserError, match=r"absent\.txt"):
        run_job("sft", job_config("sft", model=base, data=[str(chats)], replay=["absent.txt"], steps=1))


def test_the_rate_falls_to_the_end_and_half_an_epoch_is_half(base):
    whole, half = tuned(base, epochs=2), tuned(base, epochs=0.5)
    lines, few = ([line for line in run.metrics() if "loss" in line] for run in (whole, half))
    assert sum(line["targets"] for line in lines) == 2 * whole.info["data"]["train"]["targets"]
    assert len(few) == pytest.approx(len(lines) / 4, abs=1)
    assert lines[-1]["lr"] < 0.1 * max(line["lr"] for line in lines)


def test_a_context_too_short_for_the_prompt_costs_the_sample_and_not_the_run(tokenizer):  # noqa: F811
    pretrain(tokenizer, run="short", seq_len=48, set={**SHAPE, "max_position_embeddings": 64})
    rows = [
        {"messages": [{"role": "user", "content": "cat " * 40}, {"role": "assistant", "content": "no."}]},
        {"messages": [{"role": "user", "content": "cat?"}, {"role": "assistant", "content": "no."}]},
    ] * 10
    config = job_config("sft", model="short", steps=2, seq_len=64, batch_size=2, precision="fp32")
    run = run_job("sft", config, Material(rows, rows))
    assert run.info["status"] == "done" and {row["prompt"].count("cat") for row in run.samples()} == {1}


def test_metrics_are_means_over_all_micro_batches():
    sums = Sums()
    sums.add("balance", torch.tensor(6.0), 2)
    sums.add("balance", 1.0, 2)
    sums.add("rare", 0.0, 0)
    assert sums.read() == (0.0, {"balance": 1.75})
