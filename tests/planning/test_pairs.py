"""What the planner knows of preference learning: both answers of a pair are read, and for a reference all rows once before."""

from __future__ import annotations

import json

from fledge.jobs import find_job
from fledge.jobs.settings import job_config
from fledge.model.presets import preset
from fledge.planning.facts import measure_text, size_of
from fledge.planning.machines import card
from fledge.planning.predict import predict


def test_both_answers_of_a_pair_are_text_to_be_read(tmp_path):
    path = tmp_path / "pairs.jsonl"
    row = {"prompt": "p" * 10, "chosen": "c" * 20, "rejected": "r" * 30}
    path.write_text("\n".join([json.dumps(row)] * 5), encoding="utf-8")
    assert (
        measure_text([path], "preference").num_bytes
        == measure_text([path], "judged").num_bytes
        == 5 * (10 + 20 + 10 + 30)
    )


def test_a_reference_costs_one_reading_before_the_first_step():
    facts, shape = find_job("dpo").planning, preset("cpu-2m", vocab_size=3072)
    seconds = {}
    for loss in ("dpo", "simpo"):
        config = job_config("dpo", model=None, loss=loss, epochs=1)
        plan = predict(facts, config, shape, size_of(facts, config), card("8"), measure=False)
        seconds[loss] = plan.seconds["start"], plan.seconds["training"]
    assert seconds["dpo"][1] == seconds["simpo"][1]
    assert (
        0.2 < (seconds["dpo"][0] - seconds["simpo"][0]) / seconds["dpo"][1] < 0.5
    )  # a forward pass beside a whole step
