"""GRPO, SPO and PPO as jobs: they learn what is rewarded, their first step has ratio 1 and KL 0, and they resume to the bit."""

from __future__ import annotations

import signal

import pytest
import torch

from fledge.cli import main
from fledge.errors import UserError
from fledge.jobs import find_job
from fledge.jobs.job import Material, Setting
from fledge.jobs.runner import run_job
from fledge.jobs.settings import job_config
from fledge.model.folder import load_model
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training import optim
from fledge.training.optim import parameter_groups
from tests.jobs.test_fit import equal, pretrain, tokenizer  # noqa: F401 (a fixture)

TASKS = [
    {"conversations": [{"role": "user", "content": f"where is {a} cat {n}?"}], "gt": ["mat"]}
    for n in range(6)
    for a in ("red", "old")
]
SMALL = {"seq_len": 48, "max_new_tokens": 10, "batch_size": 3, "group_size": 4, "precision": "fp32", "warmup": 0.0}


@pytest.fixture
def base(tokenizer):  # noqa: F811
    return pretrain(tokenizer, run="base")


def online(job: str, **changes) -> Run:
    settings = SMALL | {"model": "base", "steps": 6, "rewards": ["length=3:1", "repetition:0.5"]}
    return run_job(job, job_config(job, **settings | changes), Material(TASKS, TASKS[:4]))


def objective_of(job: str, base: Run, **changes):
    usual = SMALL | {"model": "base", "rewards": ["length=3"], "optimizer": "adamw"}
    config = job_config(job, **usual | changes).with_rates()
    model, folder = load_model(base.model_dir), base.model_dir
    setting = Setting(config, model, Tokenizer.load(folder), folder, Material(TASKS, TASKS[:4]))
    return find_job(job).objective(setting)


def rows_of(run: Run) -> list[dict]:
    return [row for row in run.metrics() if "loss" in row]


@pytest.mark.parametrize("job", ["grpo", "spo", "ppo"])
def test_it_learns_what_is_rewarded_and_says_how(base, job):
    run = online(
        job, steps=25, group_size=8, rewards=["length=4"], lr=0.004, optimizer="adamw", beta=0.01, run="learns"
    )
    rows = rows_of(run)
    first, last = (sum(row["reward"] for row in part if "reward" in row) / 4 for part in (rows[:4], rows[-4:]))
    if job == "ppo":  # an answer is learned from twice: every other step begins a rollout
        first, last = 2 * first, 2 * last
    assert last > first + 0.3, (first, last)
    assert {"reward", "length", "finished", "entropy", "kl", "clipped", "rollout_seconds"} <= rows[0].keys()
    assert rows[0]["kl"] == 0 and rows[-1]["kl"] > 0
    vals = [row for row in run.metrics() if "val_reward" in row]
    assert vals[-1]["val_reward"] > vals[0]["val_reward"]
    sample = run.samples()[0]
    assert sample["prompt"].startswith("where is") and "length" in sample["text"]
    assert "value_head" not in "".join(load_model(run.model_dir).state_dict())


@pytest.mark.parametrize("job", ["grpo", "spo", "ppo"])
def test_before_the_first_step_the_ratio_is_1_and_the_divergence_0(base, job):
    learner = objective_of(job, base, reuse=2, beta=0.1)
    batch = next(learner.batches)
    assert torch.equal(batch.columns_BT["old"], batch.columns_BT["reference"])  # one function, one dtype
    learner.model.train()
    loss = learner.loss(batch)
    assert float(loss.metrics["kl"][0]) == 0 and float(loss.metrics["clipped"][0]) == 0
    column = {name: c[batch.targets_BT != -100] for name, c in batch.columns_BT.items()}
    surrogate = -(column["advantage"] * column["weight"]).sum()  # at ratio 1
    policy = loss.sum - 0.5 * loss.metrics["value_loss"][0] if job == "ppo" else loss.sum
    assert policy.item() == pytest.approx(float(surrogate), abs=1e-4)


def test_the_sampler_and_the_training_pass_agree(base):
    """The generator's cached, batched steps and the packed pass give one log-probability."""
    learner = objective_of("grpo", base, reuse=2, temperature=0.7)
    kept = []
    play = learner.play
    learner.play = lambda *args: kept.extend(play(*args)) or kept
    samples = learner.collect([[0, 1, 2]], 5).chunks[0]
    assert len(kept) == len(samples) == 12
    for episode, sample in zip(kept, samples):
        assert all(episode.chosen) and sample.columns["old"] == pytest.approx(episode.logprobs, abs=1e-5)


@pytest.mark.parametrize("job", ["grpo", "spo", "ppo"])
def test_cut_in_the_middle_of_a_rollout_it_goes_on_to_the_same_bits(base, monkeypatch, job):
    changes = {"reuse": 2, "rollout_steps": 2, "steps": 9}
    whole = online(job, run="whole", **changes)
    step = optim.Optimizer.step
    calls = []

    def interrupt(self, scale):  # in the sixth step: the second of the four of a rollout
        calls.append(1)
        if len(calls) == 6:
            signal.raise_signal(signal.SIGINT)
        step(self, scale)

    monkeypatch.setattr(optim.Optimizer, "step", interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            online(job, run="cut", **changes)
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.setattr(optim.Optimizer, "step", step)
    assert Run.open("cut").info["results"]["step"] == 6
    resumed = online(job, run="cut", resume=True, **changes)
    kept = ("loss", "reward", "entropy", "kl", "grad_norm")
    assert [[row.get(k) for k in kept] for row in rows_of(whole)] == [
        [r.get(k) for k in kept] for r in rows_of(resumed)
    ]
    assert equal(whole, resumed)


def test_accumulated_passes_give_the_step_of_one(base):
    """The same prompts in one pass and in three: the same gradient, for every way to average."""
    for loss in ("grpo", "dr_grpo", "dapo", "cispo"):
        found = []
        for size, passes in ((3, 1), (1, 3)):
            learner = objective_of("grpo", base, batch_size=size, accumulation_steps=passes, loss=loss)
            batches = [next(learner.batches) for _ in range(passes)]
            losses = [learner.loss(part) for batch in batches for part in batch.split(2)]
            count = sum(batch.count for batch in batches)
            (sum(one.sum for one in losses) / count).backward()
            found.append(torch.cat([p.grad.flatten() for p in learner.model.parameters()]))
        assert found[0].abs().max() > 1e-4
        torch.testing.assert_close(found[0], found[1], atol=2e-6, rtol=1e-4)


def test_the_critic_has_a_rate_of_its_own_and_stays_out_of_the_saved_model(base):
    learner = objective_of("ppo", base, value_lr=0.5, lr=0.001, optimizer="adamw")
    groups = {group.role: group for group in parameter_groups(learner.model, learner.config)}
    assert sorted(groups["value"].parameters) == ["value_head.bias", "value_head.weight"]
    assert groups["value"].lr > 100 * groups["matrices"].lr and groups["value"].weight_decay == 0


def test_without_kl_no_reference_is_loaded(base):
    learner = objective_of("grpo", base, beta=0.0)
    assert learner.reference is None and "kl" not in learner.loss(next(learner.batches)).metrics


def test_groups_of_equal_rewards_have_no_gradient_and_are_counted_and_said(base, capsys):
    learner = objective_of("grpo", base, beta=0.0, rewards=["format=think"])  # nobody thinks
    batch = next(learner.batches)
    assert batch.metrics["zero_signal"] == (3, 3)
    next(learner.batches)
    assert capsys.readouterr().err.count("Every answer of the first rollout is worth 0:") == 1
    learner.loss(batch).sum.backward()
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in learner.model.parameters())


def test_mistakes_are_one_sentence(base, tmp_path, capsys):
    words = ["train", "grpo", "--model", "base", "--data", str(tmp_path / "tasks.jsonl")]
    (tmp_path / "tasks.jsonl").write_text(
        '{"conversations": [{"role": "user", "content": "hi"}]}\n' * 3, encoding="utf-8"
    )
    for more, said in [
        ([], "task 1: it has neither an answer"),
        (["--rewards", "verifyer"], "there is no reward 'verifyer'"),
        (["--group-size", "1"], "--group-size is 1; it must be at least 2"),
        (["--max-new-tokens", "256"], "no room is left for a prompt"),
        (["--rewards", "length", "--seq-len", "17", "--max-new-tokens", "16"], "none of its prompts leaves room"),
        (["--rewards", "length", "--tools", str(tmp_path)], "is not the folder of a world"),
    ]:
        assert main([*words, *more]) == 2
        assert said in " ".join(capsys.readouterr().err.split()), more
    with pytest.raises(UserError, match="one prompt only"):
        run_job("grpo", job_config("grpo", **SMALL, model="base", rewards=["length"]), Material(TASKS[:1], None))
