"""A trained reward model as the reward of online learning: what it scores, how PPO and GRPO begin and resume, what is refused."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from fledge.cli import main
from fledge.errors import UserError
from fledge.jobs.runner import run_job
from fledge.jobs.settings import job_config
from fledge.model.folder import load_model
from fledge.model.reward import RewardModel
from fledge.records import Run
from fledge.rewards import compose
from fledge.tokenizer import Tokenizer
from fledge.training import optim
from tests.jobs.test_dpo import train
from tests.jobs.test_fit import SHAPE, TEXTS, equal, pretrain, tokenizer  # noqa: F401 (a fixture)
from tests.jobs.test_online import objective_of, online, rows_of
from tests.rewards.test_rewards import episode, task


@pytest.fixture
def base(tokenizer):  # noqa: F811
    return pretrain(tokenizer, run="base", set=SHAPE | {"num_hidden_layers": 2})


@pytest.fixture
def judge(base) -> RewardModel:
    """It has learnt that 'on mat 3.' is better than 'who knows???'."""
    train("reward", run="judge")
    return RewardModel.load("judge")


def said(judge: RewardModel, text: str, finished: bool = True):
    """An episode of exactly these tokens."""
    of = task("?")
    one = episode(text, of, finished=finished)
    one.prompt = judge.tokenizer.prompt_ids(of.messages)
    one.ids = judge.tokenizer.encode(text) + [judge.tokenizer.im_end_id] * finished
    one.chosen = [True] * len(one.ids)
    return one


def reward_of(judge: RewardModel, *words: str):
    return compose(list(words), load_model(Run.open("base").model_dir), judge.tokenizer)


def test_an_answer_is_worth_what_the_model_says_of_its_tokens(judge):
    answers = ["on mat 3.", "who knows???", "", "on mat 12345678901234567890."]
    episodes = [said(judge, text) for text in answers]
    found = reward_of(judge, "model=judge")(episodes)[0]
    chats = [[*one.task.messages, {"role": "assistant", "content": text}] for one, text in zip(episodes, answers)]
    assert found[0] > found[1] and found == pytest.approx([judge.score(chat) for chat in chats if chat], abs=1e-5)
    cut = said(judge, "on mat 3.", finished=False)
    assert reward_of(judge, "model=judge")([cut])[0] == pytest.approx(found[:1], abs=1e-5)  # as if it ended there


def test_it_is_weighed_beside_rules_and_several_are_told_apart(judge):
    one = said(judge, "on mat 3.")
    totals, parts = reward_of(judge, "model=judge:0.5", "format", "model=judge:0.25")([one])
    assert parts.keys() == {"model", "format", "model_3"}
    assert totals[0] == pytest.approx(0.75 * parts["model"][0] + 1)


@pytest.mark.parametrize("job", ["grpo", "ppo"])
def test_at_step_0_the_ratio_is_1_and_the_divergence_0(base, judge, job):
    learner = objective_of(job, base, reuse=2, beta=0.1, rewards=["model=judge"])
    batch = next(learner.batches)
    assert torch.equal(batch.columns_BT["old"], batch.columns_BT["reference"])
    loss = learner.loss(batch)
    assert float(loss.metrics["kl"][0]) == 0 and float(loss.metrics["clipped"][0]) == 0
    samples, end = learner.batches.rollout.chunks[0], judge.tokenizer.im_end_id
    ends = {end, judge.tokenizer.endoftext_id}
    scores = judge.scores_of_ids([(one.ids[:-1] if one.ids[-1] in ends else one.ids) + [end] for one in samples])
    assert batch.metrics["reward"] == (pytest.approx(sum(scores), abs=1e-4), len(samples))


@pytest.mark.parametrize("job", ["grpo", "ppo"])
def test_a_policy_learns_what_its_reward_model_likes_and_the_judge_does_not_move(base, judge, job):
    before = (Run.open("judge").model_dir / "model.safetensors").read_bytes()
    run = online(job, steps=24, group_size=8, rewards=["model=judge"], lr=0.004, optimizer="adamw", run="learns")
    vals = [row["val_reward"] for row in run.metrics() if "val_reward" in row]
    assert vals[-1] > vals[0] + 0.3, vals
    assert (Run.open("judge").model_dir / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("job", ["grpo", "ppo"])
def test_cut_in_a_rollout_it_goes_on_to_the_same_bits(base, judge, monkeypatch, job):
    changes = {"reuse": 2, "rollout_steps": 2, "steps": 7, "rewards": ["model=judge", "length=4:0.1"]}
    whole = online(job, run="whole", **changes)
    step, calls = optim.Optimizer.step, []

    def dies(self, scale):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        step(self, scale)

    monkeypatch.setattr(optim.Optimizer, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        online(job, run="cut", save_every=5, **changes)
    monkeypatch.setattr(optim.Optimizer, "step", step)
    resumed = online(job, run="cut", resume=True, save_every=5, **changes)
    assert [row.get("reward") for row in rows_of(whole)] == [row.get("reward") for row in rows_of(resumed)]
    assert equal(whole, resumed)


def test_what_is_no_reward_model_for_this_policy_is_refused_in_a_sentence(base, judge, tmp_path, capsys):
    tasks = tmp_path / "tasks.jsonl"
    row = {"conversations": [{"role": "user", "content": "hi"}]}
    tasks.write_text((json.dumps(row) + "\n") * 3, encoding="utf-8")
    words = ["train", "grpo", "--model", "base", "--data", str(tasks), "--seq-len", "48", "--max-new-tokens", "8"]
    for reward, sentence in [
        ("model", "say which reward model: model=RUN"),
        ("model=base", "holds a model that writes text and gives no rewards"),
        ("model=nobody", "no run 'nobody'"),
    ]:
        assert main([*words, "--rewards", reward]) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())
    Tokenizer.train([text.upper() for text in TEXTS], 320).save(tmp_path / "other")
    shutil.copytree(Run.open("judge").model_dir, tmp_path / "foreign")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tmp_path / "other" / name, tmp_path / "foreign" / name)
    with pytest.raises(UserError, match=r"has another vocabulary .* Train the reward model from this model"):
        online("grpo", rewards=[f"model={tmp_path / 'foreign'}"])
    config = Run.open("judge").model_dir / "config.json"
    content = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(content | {"max_position_embeddings": 40}), encoding="utf-8")
    with pytest.raises(UserError, match=r"--seq-len 48 is longer than the reward model's context of 40 tokens"):
        run_job(
            "grpo",
            job_config("grpo", model="base", seq_len=48, max_new_tokens=8, rewards=["model=judge"], data=[str(tasks)]),
        )
