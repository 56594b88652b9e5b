"""MiniMind's scripts of reinforcement learning: as typed, with small numbers, and what their arguments become."""

from __future__ import annotations

import json

import pytest

from fledge.interop.minimind.arguments import settings, values
from fledge.interop.minimind.pth import read_pth
from fledge.interop.minimind.tables import DOORS
from fledge.records import Run
from tests.interop.test_minimind_doors import TINY, repo, script, vocabulary  # noqa: F401 (fixtures)

FAST = ["--max_steps", "2", "--max_gen_len", "8", "--max_seq_len", "400", "--batch_size", "2"]


@pytest.mark.parametrize("door", ["ppo", "grpo", "spo", "agent"])
def test_a_script_of_reinforcement_learning_runs_and_leaves_its_weights(door, repo, script):  # noqa: F811
    for stage in (["pretrain", "--max_steps", "1"], ["full_sft", "--max_steps", "1"]):
        assert script(*stage)[0] == 0
    more = ["--max_total_len", "1500"] if door == "agent" else ["--from_weight", "full_sft"] if door == "ppo" else []
    more += ["--reasoning", "0"] if door == "spo" else []
    more += (
        ["--compat", "v2"]
        if door == "spo"
        else ["--data_path", f"../dataset/{'agent_rl' if door == 'agent' else 'rlaif'}.jsonl"]
    )
    code, said = script(door, *TINY, *FAST, *more)
    assert code == 0, said
    name = "ppo_actor" if door == "ppo" else door
    assert f"weights: ../out/{name}_32.pth" in said and "practice data" in said
    config = Run.open(f"minimind-{name}_32").info["config"]
    assert config["max_new_tokens"] == 8 and config["schedule"] == "minimind"
    assert config["seq_len"] == (1500 if door == "agent" else 408)
    tensors = read_pth(repo / f"out/{name}_32.pth")[1]
    assert not any("value_head" in tensor for tensor in tensors)


def made(door: str, generation: str = "v3", **typed) -> dict:
    return {**DOORS[door].fixed, **settings(door, values(door, generation, typed), typed)}  # type: ignore[arg-type]


def test_what_the_arguments_become():
    ppo = made("ppo", batch_size=8, mini_batch_size=2, ppo_update_iters=3, kl_coef=0.1, clip_epsilon=0.3, vf_coef=0.7)
    expected = {
        "batch_size": 2,
        "rollout_steps": 4,
        "reuse": 3,
        "beta": 0.1,
        "clip": 0.3,
        "value_weight": 0.7,
        "lam": 0.95,
    }
    assert {name: ppo[name] for name in expected} == expected and ppo["seq_len"] == 768 + 1024
    assert ppo["value_lr"] is None and made("ppo", critic_learning_rate=1e-3)["value_lr"] == 1e-3
    grpo = made("grpo")
    assert (grpo["loss"], grpo["clip_high"], grpo["group_size"], grpo["beta"]) == ("cispo", 5.0, 6, 0.1)
    assert made("grpo", loss_type="grpo")["clip_high"] is None and made("grpo", "v2")["loss"] == "grpo"
    agent = made("agent", max_total_len=777)
    assert agent["seq_len"] == 777 and agent["tools"] == "small" and agent["max_turns"] == 3
    assert made("spo")["beta"] == 0.02


def test_practice_of_an_agent_has_tools_and_what_they_say():
    from fledge.data.rows import parse
    from fledge.interop.minimind.practice import MAKERS
    from fledge.rewards.verifier import verified
    from fledge.world import World

    rows = list(MAKERS["agent_rl"](World.build("tiny")))
    task = parse(rows[0], "task")
    assert len(rows) > 300 and task.tools and task.messages[-1]["role"] == "user"
    assert verified(task, f"It is {task.answers[0]}.") and json.dumps(rows[0])
