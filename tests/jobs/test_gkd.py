"""On-policy distillation: the student's own answers, the teacher's judgement of every token, TRL's loss, and exact resuming."""

from __future__ import annotations

import shutil

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
from fledge.training.divergence import divergence
from tests.jobs.test_fit import SHAPE, TEXTS, equal, pretrain, tokenizer  # noqa: F401 (a fixture)
from tests.jobs.test_online import TASKS, rows_of

SMALL = {"seq_len": 48, "max_new_tokens": 10, "batch_size": 6, "precision": "fp32", "warmup": 0.0, "optimizer": "adamw"}
WIDER = SHAPE | {"num_hidden_layers": 2}
KINDS = {"forward": 0.0, "js": 0.5, "reverse": 1.0}  # and TRL's beta


@pytest.fixture
def pair(tokenizer):  # noqa: F811
    """(student, teacher): one that has learnt little, and a deeper one that has learnt more."""
    return pretrain(tokenizer, run="student", steps=4), pretrain(tokenizer, run="teacher", steps=60, set=WIDER)


def gkd(**changes) -> Run:
    settings = {**SMALL, "model": "student", "teacher": "teacher", "steps": 6, **changes}
    return run_job("gkd", job_config("gkd", **settings), Material(TASKS, TASKS[:4]))


def objective_of(**changes):
    config = job_config("gkd", **{**SMALL, "model": "student", "teacher": "teacher", **changes}).with_rates()
    folder = Run.open(config.model).model_dir
    return find_job("gkd").objective(
        Setting(config, load_model(folder), Tokenizer.load(folder), folder, Material(TASKS, TASKS[:4]))
    )


def alone(model, sample) -> torch.Tensor:
    """Logits of the tokens that a sample's model chose, the sample read without any packing."""
    logits = model(torch.tensor([sample.ids[:-1]]))[0]
    return logits[torch.tensor(sample.chosen[1:])]


@pytest.mark.parametrize("kind", KINDS)
def test_the_student_comes_nearer_on_its_own_answers_and_says_how(pair, kind):
    run = gkd(steps=30, lr=0.004, divergence=kind, run="nearer")
    vals = [row for row in run.metrics() if "val_loss" in row]
    assert vals[-1]["val_loss"] < 0.5 * vals[0]["val_loss"] and vals[-1]["val_kl"] < vals[0]["val_kl"]
    assert kind != "reverse" or vals[0]["val_loss"] == vals[0]["val_kl"]
    assert {"length", "finished", "rollout_seconds"} <= rows_of(run)[0].keys()
    assert "KL" in run.samples()[0]["text"]


def test_its_own_teacher_is_at_distance_0_and_teaches_nothing(pair):
    run = gkd(teacher="student", steps=2, run="itself")
    assert all(abs(row["loss"]) < 1e-6 for row in rows_of(run))


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_every_answer_read_alone(pair, kind):
    learner = objective_of(divergence=kind, group_size=2)
    batch = next(learner.batches)
    teacher = load_model(Run.open("teacher").model_dir)
    samples = learner.batches.rollout.chunks[0]
    with torch.no_grad():
        total = sum(divergence(alone(learner.model, one), alone(teacher, one), kind, 1.0) for one in samples)
    assert len(samples) == 12 and batch.count == sum(one.num_chosen for one in samples)
    assert learner.loss(batch).sum.item() == pytest.approx(total.item(), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_equal_those_of_trl(pair, kind):
    from trl.experimental.gkd import GKDTrainer

    learner = objective_of(divergence=kind, group_size=2)
    teacher, batch = load_model(Run.open("teacher").model_dir), next(learner.batches)
    ours = learner.loss(batch).sum / batch.count
    ours.backward()
    mine = {name: p.grad.clone() for name, p in learner.model.named_parameters()}
    learner.model.zero_grad()
    samples = learner.batches.rollout.chunks[0]
    student = torch.cat([alone(learner.model, one) for one in samples])[None]
    with torch.no_grad():
        judged = torch.cat([alone(teacher, one) for one in samples])[None]
    labels = torch.zeros(student.shape[:2], dtype=torch.long)
    theirs = GKDTrainer.generalized_jsd_loss(student, judged, labels, beta=KINDS[kind])
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5) and ours > 0.01
    for name, parameter in learner.model.named_parameters():
        torch.testing.assert_close(mine[name], parameter.grad, atol=1e-5, rtol=1e-3, msg=name)


def test_any_split_of_a_batch_gives_the_same_gradient(pair):
    found = []
    for size, passes, parts in ((6, 1, 1), (2, 3, 1), (6, 1, 3)):
        learner = objective_of(batch_size=size, accumulation_steps=passes)
        batches = [next(learner.batches) for _ in range(passes)]
        losses = [learner.loss(part) for batch in batches for part in batch.split(parts)]
        (sum(one.sum for one in losses) / sum(batch.count for batch in batches)).backward()
        found.append(torch.cat([p.grad.flatten() for p in learner.model.parameters()]))
    assert found[0].abs().max() > 1e-4
    for other in found[1:]:
        torch.testing.assert_close(found[0], other, atol=2e-6, rtol=1e-4)


def test_it_stops_and_goes_on_to_the_same_bits(pair):
    whole = gkd(run="whole", steps=8, rollout_steps=2, reuse=2)
    gkd(run="cut", steps=5, rollout_steps=2, reuse=2, save_every=5)  # in the middle of a rollout
    resumed = gkd(run="cut", steps=8, rollout_steps=2, reuse=2, save_every=5, resume=True)
    assert [row["loss"] for row in rows_of(whole)] == [row["loss"] for row in rows_of(resumed)]
    assert equal(whole, resumed)


def test_typed_it_trains_is_planned_and_checked_and_refuses_in_a_sentence(pair, tmp_path, capsys):
    data = tmp_path / "tasks.jsonl"
    data.write_text('{"conversations": [{"role": "user", "content": "the cat?"}]}\n' * 12, encoding="utf-8")
    words = ["--model", "student", "--data", str(data), "--seq-len", "48", "--max-new-tokens", "8"]
    own = [*words, "--teacher", "teacher"]
    assert main(["train", "gkd", *own, "--batch-size", "4", "--steps", "3", "--run", "typed"]) == 0
    assert main(["runs", "check", "typed"]) == 0
    assert main(["plan", "gkd", *own, "--card", "8", "--json"]) == 0
    capsys.readouterr()
    assert main(["train", "gkd", *words, "--steps", "3"]) == 2
    assert "needs a second model: give it with --teacher NAME" in " ".join(capsys.readouterr().err.split())
    Tokenizer.train([text.upper() for text in TEXTS], 320).save(tmp_path / "other")
    shutil.copytree(Run.open("teacher").model_dir, tmp_path / "foreign")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tmp_path / "other" / name, tmp_path / "foreign" / name)
    with pytest.raises(UserError, match="has another vocabulary"):
        gkd(teacher=str(tmp_path / "foreign"), run="foreign")
