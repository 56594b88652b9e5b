"""Preference learning and reward models as jobs: where they begin, what they learn, exact splits, a kept reference, sentences."""

from __future__ import annotations

import json
import math

import pytest
import torch

from fledge import jobs
from fledge.cli import main
from fledge.diagnose.check import check_run
from fledge.errors import UserError
from fledge.jobs.job import Material, Setting
from fledge.jobs.runner import run_job
from fledge.jobs.settings import job_config
from fledge.model.folder import load_model
from fledge.model.reward import RewardModel
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training import reference
from tests.jobs.test_fit import SHAPE, pretrain, tokenizer  # noqa: F401 (a fixture)

PAIRS = [
    {"prompt": f"where is the {colour} cat {n}?", "chosen": f"on mat {n}.", "rejected": "who knows" + "?" * (1 + n % 4)}
    for n in range(20)
    for colour in ("red", "old")
]
JUDGED = [
    {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
    for i, row in enumerate(PAIRS)
    for side in (("chosen",), ("rejected",), ("chosen", "rejected"))[i % 3]
]
LOSSES = ("dpo", "ipo", "simpo", "orpo", "kto")


@pytest.fixture
def base(tokenizer):  # noqa: F811
    return pretrain(tokenizer, run="base", set=SHAPE | {"num_hidden_layers": 2})


def train(job="dpo", rows=PAIRS, **changes) -> Run:
    settings = {"model": "base", "seq_len": 96, "batch_size": 4, "steps": 30, "precision": "fp32", "lr": 0.01}
    return run_job(job, job_config(job, **{**settings, **changes}), Material(rows, rows[:8]))


def built(config, rows=PAIRS):
    """The objective of a run before its first step."""
    model = load_model(Run.open("base").model_dir)
    setting = Setting(config, model, Tokenizer.load(Run.open("base").model_dir), None, Material(rows, rows[:8]))
    return jobs.find_job("dpo" if hasattr(config, "loss") else "reward").objective(setting)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_begins_where_it_should_and_learns_to_prefer(base, loss):
    run = train(loss=loss, run=loss)
    vals = [line for line in run.metrics() if "val_loss" in line]
    known = run.info["landmarks"].get("indifferent")
    assert known == {"dpo": pytest.approx(math.log(2)), "ipo": pytest.approx(25), "kto": pytest.approx(0.5)}.get(loss)
    if known is not None:
        assert vals[0]["val_loss"] == pytest.approx(known, abs=1e-3) and abs(vals[0]["val_chosen_reward"]) < 1e-3
    least = 0.7 if loss == "kto" else 0.9  # it judges every answer alone, beside a reference point that moves
    assert vals[-1]["val_loss"] < vals[0]["val_loss"] and vals[-1]["val_accuracy"] > least
    assert vals[-1]["val_chosen_reward"] > vals[-1]["val_rejected_reward"]
    row = next(line for line in run.metrics() if "loss" in line)
    assert {"accuracy", "chosen_reward", "rejected_reward", "chosen_logp", "rejected_logp"} <= row.keys()
    assert run.info["results"]["val_accuracy"] == vals[-1]["val_accuracy"]


@pytest.mark.parametrize("loss", [*LOSSES, "reward"])
def test_any_split_of_a_batch_gives_the_same_gradient(base, loss):
    config = job_config("reward" if loss == "reward" else "dpo", model="base", seq_len=96, batch_size=6)
    if loss != "reward":
        config.loss, config.beta = loss, 0.5
    objective = built(config)
    with torch.no_grad():  # away from the reference, or KTO's reference point is 0
        for parameter in objective.model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))

    def gradients(parts):
        objective.model.zero_grad()
        batch = objective.rows.in_order(6).__next__()
        for part in batch.split(parts):
            (objective.loss(part).sum / batch.count).backward()
        return torch.cat([p.grad.flatten() for p in objective.model.parameters() if p.grad is not None])

    whole = gradients(1)
    assert whole.abs().max() > 0
    for parts in (2, 3, 6):
        assert torch.allclose(gradients(parts), whole, rtol=1e-3, atol=1e-5 * whole.abs().max())


def test_the_reference_is_computed_once_for_a_model_and_data(base, monkeypatch, capsys):
    computed = []
    real = reference._computed
    monkeypatch.setattr(reference, "_computed", lambda *args: computed.append(args) or real(*args))
    config = job_config("dpo", model="base", seq_len=96, batch_size=4)
    first, again = built(config), built(config)
    assert len(computed) == 2  # of the rows to train on, and of those held out
    assert torch.equal(first.reference[0], again.reference[0]) and torch.equal(first.reference[1], again.reference[1])
    path = next(first.train.folder.glob("reference-*.npy"))
    path.write_bytes(path.read_bytes()[:-8])  # a torn file is no reference
    assert torch.equal(built(config).reference[0], first.reference[0]) and len(computed) == 3
    job_config("dpo", model="base", seq_len=96, batch_size=4, loss="simpo")
    built(job_config("dpo", model="base", seq_len=96, batch_size=4, loss="simpo"))
    assert len(computed) == 3  # simpo has none
    built(job_config("dpo", model="base", seq_len=84, batch_size=4))
    assert len(computed) > 3  # answers are cut elsewhere
    assert "reading all rows once" in capsys.readouterr().out


def test_kto_learns_from_single_judged_answers(base):
    run = train(rows=JUDGED, loss="kto", run="judged", bad_weight=1.5)
    good = sum(row["label"] for row in JUDGED) / len(JUDGED)
    assert run.info["landmarks"]["indifferent"] == pytest.approx((good + 1.5 * (1 - good)) / 2)
    assert run.info["results"]["val_accuracy"] > 0.7
    with pytest.raises(UserError, match="one judged answer and no pair: --loss kto learns from such"):
        train(rows=JUDGED, run="pairs?")


def test_a_reward_model_learns_and_its_folder_says_what_it_is(base, capsys):
    run = train("reward", run="judge")
    vals = [line for line in run.metrics() if "val_loss" in line]
    assert vals[0]["val_loss"] == pytest.approx(math.log(2), abs=1e-6) and vals[0]["val_accuracy"] == 0.5
    assert vals[-1]["val_accuracy"] == 1.0
    config = json.loads((run.model_dir / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["Qwen3ForSequenceClassification"] and config["num_labels"] == 1
    judge = RewardModel.load("judge")
    sides = ("chosen", "rejected")
    chats = [
        [{"role": "user", "content": r["prompt"]}, {"role": "assistant", "content": r[s]}] for r in PAIRS for s in sides
    ]
    scores = judge.scores(chats)
    assert all(good > bad for good, bad in zip(scores[0::2], scores[1::2]))
    assert scores[5] == pytest.approx(judge.score(chats[5]), abs=1e-5)
    mean = sum(scores) / len(scores)
    assert abs(mean) < 0.5 * (scores[0] - scores[1])  # the centre term
    with pytest.raises(UserError, match="conversation 1 has no answer to be scored"):
        judge.score(chats[0][:1])
    assert main(["generate", "judge", "x"]) == 2
    assert "holds a reward model, which scores answers and writes none" in capsys.readouterr().err
    with pytest.raises(UserError, match="writes text and gives no rewards"):
        RewardModel.load("base")


def test_a_margin_in_the_rows_is_asked_of_the_model(base):
    rows = [row | {"margin": 1.0} for row in PAIRS]
    objective = built(job_config("reward", model="base", seq_len=96, batch_size=4, centre=0.0), rows)
    loss = objective.loss(next(objective.rows))
    assert loss.sum.item() / loss.count == pytest.approx(math.log1p(math.exp(1.0)), abs=1e-5)


def test_from_the_command_line(base, tmp_path, capsys):
    data = tmp_path / "pairs.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in PAIRS), encoding="utf-8")
    assert main(["train", "dpo", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--loss {dpo,ipo,simpo,orpo,kto}" in out and "--label-smoothing FLOAT" in out
    words = [
        "train",
        "dpo",
        "--model",
        "base",
        "--data",
        str(data),
        "--run",
        "typed",
        "--seq-len",
        "96",
        "--precision",
        "fp32",
    ]
    assert main([*words, "--batch-size", "2", "--epochs", "2", "--lr", "0.01"]) == 0
    out = capsys.readouterr().out
    assert "a model that prefers nothing has a loss of 0.693" in out and "accuracy" in out
    run = Run.open("typed")
    assert run.info["plan"]["predicted_memory_mb"] > 0 and run.info["config"]["beta"] == 0.5
    assert main(["plan", "dpo", "--model", "base", "--data", str(data), "--card", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["settings"]["seq_len"] <= 2048
    assert main(["train", "dpo", "--model", "base", "--data", str(data), "--gamma", "2"]) == 2
    assert "--gamma is for --loss simpo and not for --loss dpo: leave it out" in capsys.readouterr().err


def test_the_check_of_a_run_knows_ln_2(base):
    learnt = check_run(train(run="fine", lr=None, optimizer="muon", steps=60), jobs.find_job("dpo").facts())
    assert learnt.verdict == "normal"
    assert [(mark.name, mark.unit) for mark in learnt.landmarks] == [("indifferent", "loss")]
    still = check_run(train(run="still", lr=4e-8, optimizer="adamw", steps=60), jobs.find_job("dpo").facts())
    assert still.verdict == "unusual" and still.findings[0].name == "undecided"
    assert "0.693" in still.findings[0].evidence and "4e-08" in still.findings[0].evidence
