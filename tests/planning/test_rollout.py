"""What the planner says of jobs that learn from their own answers."""

from __future__ import annotations

import dataclasses
import json

from fledge.jobs import find_job
from fledge.jobs.settings import job_config
from fledge.model.presets import preset
from fledge.planning.facts import Size
from fledge.planning.predict import predict
from fledge.planning.rollout import cache_bytes, prompt_tokens, rows, steps

SHAPE = preset("cpu-2m", vocab_size=512)
SIZE = Size(20_000, 100.0)  # 200 prompts of 100 bytes


def planned(machine, job: str = "grpo", **changes):
    config = job_config(job, **{"model": "m", "optimizer": "muon"} | changes)
    return predict(find_job(job).planning, config, SHAPE, SIZE, machine, measure=False)


def test_a_prompt_is_read_once_for_all_its_answers():
    config = job_config("grpo", batch_size=4, group_size=8, max_new_tokens=16, seq_len=128)
    prompt = prompt_tokens(config, SIZE, 512)
    assert 50 < prompt < 75  # 100 bytes at 2.03 a token, and what the template adds
    assert rows(config, SIZE, 512) == -(-4 * (prompt + 8 * 16) // 128)
    twice = dataclasses.replace(config, group_size=16)
    assert rows(twice, SIZE, 512) < 2 * rows(config, SIZE, 512)


def test_steps_follow_from_the_prompts_and_what_is_read_again(cpu):
    config = job_config("grpo", batch_size=10, epochs=2.0, val_fraction=0.1)
    assert steps(config, SIZE) == 36
    assert steps(dataclasses.replace(config, reuse=3), SIZE) == 108
    plan = planned(cpu, batch_size=10, epochs=2.0)
    assert plan.steps == 36 and plan.readings == 2.0


def test_longer_answers_take_time_and_memory_and_a_reference_takes_memory(cpu):
    short, long = planned(cpu, max_new_tokens=16, steps=10), planned(cpu, max_new_tokens=128, steps=10)
    assert long.seconds["training"] > 2 * short.seconds["training"] and long.total_mb > short.total_mb
    assert planned(cpu, steps=10).memory["frozen models"] == 4 * SHAPE.num_parameters()["total"]
    config = job_config("grpo", batch_size=2, group_size=4, max_new_tokens=16, seq_len=128)
    tokens = 8 * (prompt_tokens(config, SIZE, 512) + 16)
    kv = 2 * SHAPE.num_hidden_layers * SHAPE.num_key_value_heads * SHAPE.head_dim * 4
    assert cache_bytes(SHAPE, config, SIZE, "fp32") == tokens * kv


def test_a_reward_model_beside_the_policy_takes_the_memory_of_its_own_shape(cpu, tmp_path):
    deeper = dataclasses.replace(SHAPE, num_hidden_layers=2 * SHAPE.num_hidden_layers)
    (tmp_path / "config.json").write_text(json.dumps(deeper.to_dict()), encoding="utf-8")
    (tmp_path / "model.safetensors").touch()
    plans = [planned(cpu, steps=10, rewards=words) for words in (["verifier"], ["verifier", f"model={tmp_path}:0.5"])]
    frozen = [plan.memory["frozen models"] for plan in plans]
    assert frozen[1] - frozen[0] == 4 * deeper.num_parameters()["total"]
