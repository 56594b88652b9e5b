"""Distillation: any shape of student learns from a frozen teacher with the same tokens, and nothing else is taken for one."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from fledge.cli import main
from fledge.errors import UserError
from fledge.jobs import runner
from fledge.jobs.job import Material
from fledge.jobs.runner import run_job
from fledge.jobs.settings import job_config
from fledge.model.config import ModelConfig
from fledge.planning.facts import frozen_shapes
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training.loop import Fit
from tests.jobs.test_fit import SHAPE, TEXTS, equal, pretrain, tokenizer  # noqa: F401 (a fixture)

CHATS = [
    {"conversations": [{"role": "user", "content": text}, {"role": "assistant", "content": "the cat sat. 猫坐。"}]}
    for text in TEXTS
]
NARROW = SHAPE | {"hidden_size": 32, "num_attention_heads": 1, "num_key_value_heads": 1}
SMALL = {"seq_len": 48, "batch_size": 4, "precision": "fp32", "set": NARROW}


@pytest.fixture(scope="module")
def teacher(tokenizer, tmp_path_factory):  # noqa: F811
    with pytest.MonkeyPatch.context() as patch:  # a module's fixture comes before what keeps every test's runs apart
        patch.setenv("FLEDGE_RUNS", str(tmp_path_factory.mktemp("teacher")))
        return pretrain(tokenizer, run="teacher", steps=60)


def distill(teacher, rows=TEXTS, **changes) -> Run:
    settings = {"teacher": str(teacher.path), "kind": "text", "steps": 12, **SMALL, **changes}
    return run_job("distill", job_config("distill", **settings), Material(rows, rows[:6]))


def test_a_narrower_student_comes_nearer_to_its_teacher_which_does_not_move(teacher):
    before = (teacher.model_dir / "model.safetensors").read_bytes()
    run = distill(teacher, run="narrow", steps=40)
    kl = [row["val_kl"] for row in run.metrics() if "val_kl" in row]
    assert kl[-1] < 0.3 * kl[0]
    assert run.info["model"]["hidden_size"] == 32
    assert 0 < run.info["landmarks"]["teacher"] < run.info["landmarks"]["start"]
    assert (teacher.model_dir / "model.safetensors").read_bytes() == before
    losses = [row for row in run.metrics() if "loss" in row]
    for row in losses:  # alpha 0.5, temperature 1.5
        assert row["loss"] == pytest.approx(0.5 * row["cross_entropy"] + 0.5 * 1.5**2 * row["divergence"], rel=1e-4)


def test_a_teacher_that_is_the_student_itself_is_at_distance_0(teacher):
    run = distill(teacher, run="itself", model=str(teacher.path), set={}, alpha=0.0, steps=3, lr=0.0, optimizer="adamw")
    assert all(abs(row["divergence"]) < 1e-6 for row in run.metrics() if "loss" in row)
    assert equal(run, teacher)


def test_with_alpha_1_it_is_fine_tuning(teacher):
    settings = {"model": str(teacher.path), "set": {}, "steps": 6, "optimizer": "muon"}
    taught = distill(teacher, CHATS, kind="chat", alpha=1.0, run="alpha", **settings)
    settings = {**SMALL, **settings, "weight_decay": 0.1}
    del settings["set"]
    plain = run_job("sft", job_config("sft", run="plain", **settings), Material(CHATS, CHATS[:6]))
    losses = [[row["loss"] for row in run.metrics() if "loss" in row] for run in (taught, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_any_split_of_a_batch_gives_the_same_gradient(teacher):
    norms = []
    for rows, times in ((4, 1), (2, 2)):
        run = distill(teacher, CHATS, kind="chat", batch_size=rows, accumulation_steps=times, steps=1, divergence="js")
        first = next(row for row in run.metrics() if "loss" in row)
        norms.append((first["loss"], first["grad_norm"]))
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_another_vocabulary_is_one_sentence_before_anything_is_written(teacher, tmp_path):
    Tokenizer.train([text.upper() for text in TEXTS], 320).save(tmp_path / "other")
    with pytest.raises(UserError, match=r"has another vocabulary .* fine-tune on answers that the teacher writes"):
        distill(teacher, run="foreign", tokenizer=str(tmp_path / "other"))
    assert not Run.exists("foreign")


def test_tokens_are_compared_not_counted(teacher, tmp_path):
    """As many tokens, two of them under each other's numbers."""
    shutil.copytree(teacher.model_dir, tmp_path / "swapped")
    content = json.loads((tmp_path / "swapped" / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (tmp_path / "swapped" / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"'[ab]', for one, is not the same in both"):
        distill(teacher, run="swapped", tokenizer=str(tmp_path / "swapped"))


def test_without_a_teacher_or_with_one_that_reads_too_little(teacher, tmp_path):
    with pytest.raises(UserError, match="`fledge train distill` needs a second model: give it with --teacher NAME"):
        run_job("distill", job_config("distill", steps=1, **SMALL), Material(TEXTS))
    with pytest.raises(UserError, match="no run 'techer'"):
        run_job("distill", job_config("distill", teacher="techer", steps=1, **SMALL), Material(TEXTS))
    shutil.copytree(teacher.model_dir, tmp_path / "short")
    config = json.loads((tmp_path / "short" / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "short" / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 40}))
    short = job_config("distill", teacher=str(tmp_path / "short"), steps=1, **SMALL)
    with pytest.raises(UserError, match="longer than the teacher's context of 40 tokens"):
        run_job("distill", short, Material(TEXTS))


def test_the_planner_counts_a_teacher_of_its_own_shape(teacher, tmp_path):
    own = ModelConfig.load(teacher.model_dir)
    facts = runner.find_job("distill").planning
    assert frozen_shapes(facts, job_config("distill", teacher=str(teacher.path)), None) == [own]
    run = distill(teacher, run="counted", steps=1)
    weights = 4 * own.num_parameters()["total"] / 2**20
    assert run.info["plan"]["memory_mb"]["frozen models"] == pytest.approx(weights, abs=0.1)


def test_from_the_command_line_it_trains_resumes_is_planned_and_checked(teacher, tmp_path, capsys):
    data = tmp_path / "text.txt"
    data.write_text("\n".join(TEXTS), encoding="utf-8")
    own = ["--teacher", str(teacher.path), "--kind", "text", "--data", str(data), "--seq-len", "32"]
    words = ["train", "distill", *own, "--run", "typed", "--precision", "fp32", "--preset", "cpu-2m"]
    words += ["--set", "num_hidden_layers=1", "hidden_size=64", "--steps", "6", "--save-every", "3"]
    assert main(words) == 0
    assert "the teacher's own loss is" in capsys.readouterr().out
    assert main(["train", "distill", "--run", "typed", "--resume", "--steps", "8"]) == 0
    assert Run.open("typed").info["results"]["step"] == 8
    assert main(["plan", "distill", *own, "--card", "8", "--json"]) == 0
    assert main(["runs", "check", "typed"]) == 0
    capsys.readouterr()
    assert main(["runs", "check", "typed", "--json"]) == 0
    assert "teacher" in [mark["name"] for mark in json.loads(capsys.readouterr().out)["landmarks"]]


def test_a_mixture_of_experts_keeps_its_balance_loss(teacher):
    experts = NARROW | {
        "model_type": "qwen3_moe",
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
    }
    run = distill(teacher, run="experts", set=experts, steps=2)
    assert all(row["load_balance"] > 0 for row in run.metrics() if "loss" in row)


def test_the_teacher_computes_in_the_students_precision(teacher, monkeypatch):
    seen = {}
    step = Fit._step

    def look(self, *args):
        cells = type(self.objective).apart.__closure__
        found = [cell.cell_contents for cell in cells if hasattr(cell.cell_contents, "compute_dtype")]
        seen.update(student=self.model.compute_dtype, teacher=found[0].compute_dtype)
        return step(self, *args)

    monkeypatch.setattr(Fit, "_step", look)
    distill(teacher, run="half", steps=1, precision="bf16")
    assert seen == {"student": torch.bfloat16, "teacher": torch.bfloat16}
