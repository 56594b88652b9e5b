"""Predictions: lengths, units, and what stands in the run record."""

from __future__ import annotations

import dataclasses
import json

import pytest

from fledge.jobs import find_job
from fledge.jobs.settings import job_config
from fledge.model.presets import preset
from fledge.planning import predict as predictions
from fledge.planning.budget import budget_settings
from fledge.planning.facts import Size, bytes_per_token
from fledge.planning.machines import Calibration, card
from fledge.planning.memory import peak
from fledge.planning.predict import START_SECONDS, outcome, plan_run, predict

TEXT = Size(10_000_000, 600)
SHAPE = preset("cpu-2m", vocab_size=2048)
PLANNING = find_job("pretrain").planning


def planned(machine, size=TEXT, shape=SHAPE, more: dict | None = None, **settings):
    return predict(PLANNING, job_config("pretrain", **settings), shape, size, machine, measure=False, **(more or {}))


def test_a_budget_is_the_time_that_the_clock_shows(cpu):
    plan = planned(cpu, budget="10m")
    preparing = plan.seconds["start"] - START_SECONDS
    assert 0 < preparing < 60 and plan.run_seconds + preparing == pytest.approx(600)
    assert plan.tokens == plan.steps * 8 * 256 and plan.total_seconds > 600
    assert planned(cpu, budget="20m").steps == pytest.approx(2 * plan.steps, rel=0.05)


def test_steps_and_epochs_are_counted_not_timed(cpu):
    plan = planned(cpu, steps=100, batch_size=4, accumulation_steps=3)
    assert plan.steps == 100 and plan.tokens == 100 * 4 * 3 * 256
    twice = planned(cpu, epochs=2.0)
    assert twice.readings == pytest.approx(2 * 0.9, rel=0.01)  # a tenth is held out
    assert planned(cpu, epochs=2.0, val=["other.txt"]).readings == pytest.approx(2.0, rel=0.01)


def test_memory_is_the_sum_of_its_terms(cpu):
    plan = planned(cpu, steps=10, tokenizer="somewhere")
    _, tensors = peak(SHAPE, plan.step, "muon", 1)
    assert plan.tensors_mb == pytest.approx(sum(tensors.values()) / 2**20)
    assert plan.total_mb == pytest.approx(1.6 * plan.tensors_mb + predictions.PROCESS_MB)
    assert planned(cpu, steps=10).memory.keys() - plan.memory.keys() == {"text and tokenizer"}


def test_on_a_card_the_text_is_elsewhere_and_memory_has_gaps():
    plan = planned(card("3050"), steps=10)
    assert "text and tokenizer" not in plan.memory and plan.total_mb == pytest.approx(1.06 * plan.tensors_mb, rel=0.01)
    large = planned(card("4"), steps=10, shape=preset("large-285m"))
    assert plan.fits and not large.fits


def test_a_card_without_bf16_computes_in_fp16():
    assert planned(card("T4"), steps=1).step.precision == "fp16"
    assert planned(card("T4"), steps=1, precision="fp32").step.precision == "fp32"


def test_price_and_calibration_scale_what_they_should(cpu):
    plan = planned(cpu, steps=1000)
    slower = planned(cpu, steps=1000, more={"calibration": Calibration(2.0, 1.5, 0.1, 0.1, 3), "price": 3.6})
    assert slower.seconds["training"] == pytest.approx(2 * plan.seconds["training"])
    assert slower.total_mb == pytest.approx(1.5 * plan.total_mb)
    assert slower.cost == pytest.approx(slower.total_seconds / 1000)
    assert plan.cost is None


def test_checkpoints_trade_time_for_memory(cpu):
    deep = preset("cpu-2m", num_hidden_layers=20)
    kept = planned(cpu, shape=deep, steps=100, batch_size=32)
    again = planned(cpu, shape=deep, steps=100, batch_size=32, checkpoint_activations=True)
    assert again.tensors_mb < 0.5 * kept.tensors_mb
    assert 1.1 < again.seconds["training"] / kept.seconds["training"] < 1.4


def test_one_document_needs_no_mask(cpu):
    assert planned(cpu, size=Size(10_000_000, 1e7), steps=1).step.packed is False
    assert planned(cpu, steps=1).step.packed is True


def test_the_record_of_a_plan_is_json_in_the_units_of_the_outcome(cpu):
    text = {"num_bytes": 9_000_000, "num_rows": 15_000, "machine": cpu}
    record = plan_run(PLANNING, job_config("pretrain", budget="10m"), SHAPE, steps=None, **text)
    assert plan_run(PLANNING, job_config("pretrain", epochs=3.0), SHAPE, steps=7, **text)["steps"] == 7
    json.dumps(record)
    assert 540 < record["predicted_seconds"] < 600 and record["machine_key"] == cpu.key
    assert record["predicted_memory_mb"] == record["needed_memory_mb"] > 300
    after = outcome({"seconds": 610.0, "tokens": 6100, "memory_mb": 500})
    assert after == {"actual_seconds": 610.0, "actual_memory_mb": 500, "actual_tokens_per_second": 10}
    assert {name.replace("actual", "predicted") for name in after} <= set(record)


def test_a_preset_that_is_too_large_for_its_budget_is_warned_of(cpu, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    text = {"num_bytes": 9_000_000, "num_rows": 15_000, "machine": cpu, "steps": None}
    (sentence,) = plan_run(PLANNING, job_config("pretrain", budget="60s"), preset("base-88m"), **text)["notes"]
    assert "1m" in sentence or "60s" in sentence
    better = sentence.split("--budget ")[1].split(",")[0]
    assert plan_run(PLANNING, job_config("pretrain", budget=better), preset("base-88m"), **text)["notes"] == []


def test_a_gpus_record_predicts_what_torch_reports():
    plan = planned(card("3050"), steps=10)
    assert plan.to_dict()["predicted_memory_mb"] == round(plan.tensors_mb) < plan.to_dict()["needed_memory_mb"]


def test_a_budget_changes_nothing_that_was_typed(cpu):
    config = job_config("pretrain", budget="10m", batch_size=3, preset="cpu-6m")
    assert {"preset", "set", "vocab_size", "batch_size"} & set(budget_settings(config, set(), TEXT, cpu)) == {
        "preset", "set", "vocab_size", "batch_size",
    }  # fmt: skip
    chosen = budget_settings(config, {"preset", "batch_size"}, TEXT, cpu)
    assert not {"preset", "set", "batch_size", "accumulation_steps"} & set(chosen) and "vocab_size" in chosen
    assert "vocab_size" not in budget_settings(
        dataclasses.replace(config, tokenizer="t", vocab_size=512), set(), TEXT, cpu
    )


@pytest.mark.parametrize(
    ("given", "row"),
    [({"budget"}, 128), ({"steps"}, 256), ({"budget", "preset"}, 256), ({"budget", "batch_size"}, 256)],
)
def test_short_rows_are_for_runs_that_the_dial_shapes_alone(given, row, cpu):
    config = job_config("pretrain", steps=150) if "steps" in given else job_config("pretrain", budget="10m")
    assert budget_settings(config, given, Size(21_170_000, 680), cpu)["seq_len"] == row


def test_bytes_per_token_of_the_recorded_texts():
    assert bytes_per_token(512) == pytest.approx(2.03) and bytes_per_token(4096) == pytest.approx(3.01, rel=0.01)


def test_a_budget_begins_by_counting_where_the_head_can_hold_it(cpu):
    def begin(*given, **settings):
        return budget_settings(job_config("pretrain", **settings), set(given), TEXT, cpu).get("begin")

    assert begin(budget="5m") == "counted"
    assert begin("begin", budget="5m", begin="random") is None
    assert begin(steps=100) is None
    assert begin("set", budget="5m", set={"tie_word_embeddings": True}) is None
