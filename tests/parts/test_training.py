"""A learner's code trains a model: the losses are those of the reference, and a part that fails is named."""

from __future__ import annotations

import shutil

import pytest
import torch

import fledge
from fledge.errors import UserError
from fledge.generate import Sampling
from fledge.model.folder import load_model
from fledge.parts.learner import MyPart, PartError
from fledge.parts.table import PARTS
from fledge.records import Run
from tests.parts.conftest import source_of
from tests.training.resume_jobs import prepare, run_stage

STEPS = 24
MODEL = {"rms_norm", "apply_rope", "attention", "swiglu", "cross_entropy", "clip_gradients", "adamw_step", "lr_at"}
USED = {  # stage -> the parts that it must have called; `sample` is called by the generator, at a temperature
    "pretrain": MODEL,
    "pretrain a mixture of experts": MODEL | {"route_tokens"},
    "pretrain with MiniMind's maths": MODEL - {"lr_at"},  # its schedule is not in the exercise
    "sft": MODEL | {"sft_targets"},
    "sft with replay": MODEL | {"sft_targets"},
    "distill": MODEL | {"sft_targets", "kd_loss"},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLEDGE_RUNS", "FLEDGE_CACHE", "OMP_NUM_THREADS"):
            patch.setenv(name, "")  # put back afterwards
        prepare(folder)
        yield folder
    torch.set_num_threads(threads)


@pytest.fixture
def called(monkeypatch) -> set[str]:
    """The parts whose own function ran."""
    names: set[str] = set()
    call = MyPart.__call__

    def watched(self, *args, **kwargs):
        if not self.replaced:
            names.add(self.name)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(MyPart, "__call__", watched)
    return names


def losses(run: Run) -> list[float]:
    return [line["loss"] for line in run.metrics() if "loss" in line]


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_model(run.model_dir).state_dict()


def same_weights(a: Run, b: Run) -> bool:
    first, second = weights(a), weights(b)
    return all(torch.equal(first[name], second[name]) for name in first)


SHOWN = [(stage, "own") for stage in USED] + [  # these two call every part that a training calls
    ("pretrain a mixture of experts", "book"),
    ("sft with replay", "book"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "by"), SHOWN)
def test_all_parts_give_the_losses_of_the_reference(root, learner, called, capsys, stage, by):
    learner.write_all(by=by)
    reference = run_stage(root, stage, f"{stage} reference {by}", steps=STEPS)
    assert not called and "parts:" not in capsys.readouterr().out
    mine = run_stage(root, stage, f"{stage} {by}", steps=STEPS, parts="mine")
    assert called == USED[stage]
    count = len(PARTS) - ("MiniMind" in stage)
    assert f"parts: {count} of {len(PARTS)} are yours: rms_norm, apply_rope" in capsys.readouterr().out
    assert len(losses(mine)) == STEPS and losses(mine) == pytest.approx(losses(reference), abs=1e-4)
    assert losses(mine)[-1] < 0.95 * losses(mine)[0]  # it learnt: an untrained model agrees whatever the parts do
    assert len(mine.info["parts"]["yours"]) == count and set(mine.info["parts"]["yours"]) <= set(PARTS)
    assert mine.info["config"]["parts"] == "mine"
    assert all(len(one["sha256"]) == 64 for one in mine.info["parts"]["yours"].values())
    assert reference.info["parts"] == {"yours": {}, "of": len(PARTS), "replaced": {}}


@pytest.mark.parametrize("by", ["own", "book"])
def test_all_parts_write_what_the_reference_writes(root, learner, called, by):
    learner.write_all(by=by)
    run_stage(root, "sft", f"talks {by}", steps=STEPS)
    theirs, ours = (fledge.load(f"talks {by}", parts=parts) for parts in ("reference", "mine"))
    message = [{"role": "user", "content": "where is cat 3?"}]
    for prompt in ("the red cat", message, "猫"):
        for settings in (
            {"temperature": 0.0},
            {"temperature": 1.0, "seed": 1, "top_k": 20},
            {"temperature": 0.8, "top_p": 0.9, "seed": 2},
        ):
            settings |= {"max_new_tokens": 24}
            assert ours.generate(prompt, **settings) == theirs.generate(prompt, **settings)
    several = [theirs.prompt(text) for text in ("the", "the old cat sat", "on")]  # rows of different length, one batch
    settings = Sampling(temperature=0.0, max_new_tokens=12)
    assert [c.ids for c in ours.generator.generate(several, settings)] == [
        c.ids for c in theirs.generator.generate(several, settings)
    ]
    assert called == {"rms_norm", "apply_rope", "attention", "swiglu", "sample"}
    assert ours.score("the red cat sat").nats == pytest.approx(theirs.score("the red cat sat").nats, rel=1e-5)


def test_training_in_bf16_uses_the_learners_attention_as_it_is(root, learner, called):
    learner.write_all("attention", "cross_entropy")
    mine = run_stage(root, "pretrain", "bf16", steps=6, parts="mine", precision="bf16")
    reference = run_stage(root, "pretrain", "bf16 reference", steps=6, precision="bf16")
    assert called == {"attention", "cross_entropy"} and mine.info["precision"] == "bfloat16"
    assert losses(mine) == pytest.approx(losses(reference), rel=0.02)


IN_FORWARD = ("rms_norm", "attention", "swiglu", "cross_entropy")


def after(name: str, calls: int, then: str) -> str:
    """A part that does `then` after so many calls; of those in the model only calls that training makes are counted."""
    source = source_of(name).replace(f"def {name}(", "def right(")
    if name in IN_FORWARD:
        source += "\n\nimport torch\n"
    counted = "torch.is_grad_enabled()" if name in IN_FORWARD else "True"
    return (
        f"{source}\n\nCALLS = [0]\n\n\ndef {name}(*args, **kwargs):\n    CALLS[0] += {counted}\n"
        f"    if CALLS[0] > {calls} and {counted}:\n        {then}\n    return right(*args, **kwargs)\n"
    )


def line_of(source: str, words: str) -> int:
    return 1 + next(i for i, line in enumerate(source.splitlines()) if words in line)


# Calls of the verification, and those of a few steps: each fails in the middle of some step between the second and the last.
CALLS = {
    "rms_norm": 4 + 22,
    "attention": 5 + 4,
    "swiglu": 1 + 4,
    "cross_entropy": 2 + 4,
    "clip_gradients": 4 + 4,
    "adamw_step": 3 + 31,
    "lr_at": 14 + 4,
}
EVERY_DAY = ("attention", "adamw_step", "lr_at")  # one of a kind: in the model, in the update, in the plan


def of_each(names) -> list:
    """Cases for these parts; only one of a kind counts among the fast tests."""
    return [pytest.param(name, marks=() if name in EVERY_DAY else pytest.mark.slow) for name in names]


def plain(root) -> Run:
    """Eight steps of the reference, run once."""
    return run_stage(root, "pretrain", "plain", steps=8, resume=True)


RAISES = [name for name in CALLS if name != "swiglu"]


@pytest.mark.parametrize("name", of_each(RAISES))
def test_a_part_that_raises_is_named_and_the_run_goes_on_when_it_is_mended(root, learner, name):
    learner.write(name, source_of(name))
    whole = run_stage(root, "pretrain", f"whole {name}", steps=8, parts="mine", save_every=100)
    source = after(name, CALLS[name], "raise ValueError('I am tired.')")
    file = learner.write(name, source)
    with pytest.raises(PartError) as caught:
        run_stage(root, "pretrain", f"raises {name}", steps=8, parts="mine", save_every=100)
    error, run = caught.value, Run.open(f"raises {name}")
    assert (error.part, error.line) == (name, line_of(source, "I am tired"))
    said = rf"your {name} failed \({name}.py, line {error.line}\): ValueError: I am tired\. The run is saved at step "
    assert str(error).startswith(said.replace("\\", "")) and "go on with the same command" in str(error)
    step = run.info["results"]["step"]
    assert run.info["status"] == "failed" and 1 <= step < 8
    assert [path.name for path in run.checkpoints_dir.iterdir()] == [f"step-{step}"]
    file = learner.write(name, source_of(name))
    resumed = run_stage(root, "pretrain", run.name, steps=8, resume=True)
    assert resumed.info["config"]["parts"] == "mine" and file.is_file()
    if name == "adamw_step":  # the reference ended the step in which it failed
        assert losses(resumed) == pytest.approx(losses(whole), abs=1e-4)
    else:
        assert same_weights(whole, resumed) and losses(resumed) == losses(whole)


@pytest.mark.parametrize("name", of_each(RAISES))
def test_with_fallback_the_reference_takes_over_and_it_is_said(root, learner, capsys, name):
    reference = plain(root)
    learner.write(name, after(name, CALLS[name], "raise ValueError('I am tired.')"))
    settings = {"parts": "mine", "parts_fallback": True}
    run = run_stage(root, "pretrain", f"falls back {name}", steps=8, **settings)
    out = " ".join(capsys.readouterr().out.split())
    assert f"your {name} failed" in out and "From here the reference takes its place." in out
    assert losses(run) == pytest.approx(losses(reference), abs=1e-4) and run.info["status"] == "done"
    assert list(run.info["parts"]["replaced"]) == [name] and run.info["parts"]["yours"] == {}


@pytest.mark.parametrize(("where", "calls"), [("forward", 10), ("recomputation", 14)])  # of 9 a step
def test_fallback_in_a_block_that_is_computed_twice(root, learner, where, calls):
    """The second time it is made of other parts than the first, which torch refuses: the step is begun again."""
    reference = plain(root)
    learner.write_all("swiglu", "cross_entropy")
    learner.write("rms_norm", after("rms_norm", 4 + calls, "raise ValueError('I am tired.')"))
    settings = {"parts": "mine", "parts_fallback": True, "checkpoint_activations": True}
    run = run_stage(root, "pretrain", f"twice {where}", steps=8, **settings)
    assert set(run.info["parts"]["replaced"]) == {"rms_norm"}
    assert set(run.info["parts"]["yours"]) == {"swiglu", "cross_entropy"}
    assert losses(run) == pytest.approx(losses(reference), abs=1e-4)


NAN = {
    "rms_norm": "return right(*args, **kwargs) * float('nan')",
    "swiglu": "return right(*args, **kwargs) / 0",
    "attention": "return right(*args, **kwargs) * float('inf')",
    "cross_entropy": "return right(*args, **kwargs) * float('nan')",
    "clip_gradients": "return right(*args, **kwargs) * float('nan')",
    "adamw_step": "right(*args, **kwargs); args[0].mul_(float('nan')); return None",
    "lr_at": "return float('inf')",
}


@pytest.mark.parametrize("name", of_each(NAN))
def test_a_part_that_makes_nan_is_named_among_all_the_others(root, learner, name):
    learner.write_all()
    learner.write(name, after(name, CALLS[name], NAN[name]))
    with pytest.raises(PartError) as caught:
        run_stage(root, "pretrain", f"nan {name}", steps=8, parts="mine", save_every=100)
    error, run = caught.value, Run.open(f"nan {name}")
    assert error.part == name, error
    assert "The run is saved at step" in str(error) and any(run.checkpoints_dir.glob("step-*"))
    assert 1 <= run.info["results"]["step"] < 8
    if name in IN_FORWARD:
        assert "on the same rows, with the reference in its place, all is well" in str(error)
        assert list(run.path.glob("bad-step-*.safetensors"))
    learner.write(name, source_of(name))
    resumed = run_stage(root, "pretrain", run.name, steps=8, resume=True)
    assert resumed.info["status"] == "done" and all(loss == loss for loss in losses(resumed))


@pytest.mark.parametrize("name", of_each(NAN))
def test_with_fallback_nan_is_computed_again_with_the_reference(root, learner, capsys, name):
    reference = plain(root)
    learner.write_all()
    learner.write(name, after(name, CALLS[name], NAN[name]))
    run = run_stage(root, "pretrain", f"nan replaced {name}", steps=8, parts="mine", parts_fallback=True)
    assert list(run.info["parts"]["replaced"]) == [name] and len(run.info["parts"]["yours"]) == len(PARTS) - 1
    assert losses(run) == pytest.approx(losses(reference), abs=1e-4) and run.info["status"] == "done"
    assert "From here the reference takes its place." in " ".join(capsys.readouterr().out.split())


def test_a_part_that_fails_only_now_and_then_is_not_named(root, learner):
    learner.write_all("swiglu", "rms_norm")
    once = after("swiglu", 5, "return right(*args, **kwargs) * (float('nan') if CALLS[0] == 6 else 1)")
    learner.write("swiglu", once)
    with pytest.raises(PartError, match=r"your rms_norm, swiglu failed .*it did not happen again on the same rows"):
        run_stage(root, "pretrain", "now and then", steps=8, parts="mine")


def test_a_run_that_diverges_by_itself_is_not_the_parts_fault(root, learner):
    learner.write_all()
    hot = {"lr": 1e30, "embed_lr": 1e30, "head_lr": 1e30, "norm_lr": 1e30, "warmup": 0.0, "grad_clip": 0.0}
    with pytest.raises(UserError, match=r"with the reference's parts in place of yours too\): try a lower --lr") as e:
        run_stage(root, "pretrain", "hot", steps=8, parts="mine", **hot)
    assert not isinstance(e.value, PartError)


def test_a_result_that_breaks_something_further_on_names_the_part(root, learner):
    learner.write_all("rms_norm", "swiglu")
    for moment, grad in (("in training", "torch.is_grad_enabled()"), ("in validation", "not torch.is_grad_enabled()")):
        then = f"return right(*args, **kwargs)[:, :, :, :-1] if {grad} else right(*args, **kwargs)"
        source = after("attention", 9, then).replace("> 9 and torch.is_grad_enabled()", "> 9")
        learner.write("attention", source)
        with pytest.raises(PartError, match=r"your attention failed .*RuntimeError.*with the reference in its place"):
            run_stage(root, "pretrain", f"breaks {moment}", steps=8, parts="mine")
        assert 1 <= Run.open(f"breaks {moment}").info["results"]["step"] < 8
        run = run_stage(root, "pretrain", f"mends {moment}", steps=8, parts="mine", parts_fallback=True)
        assert run.info["status"] == "done" and list(run.info["parts"]["replaced"]) == ["attention"]


def test_a_part_that_differs_stops_before_there_is_a_run(root, learner, capsys):
    learner.write_all("swiglu")
    learner.write("rms_norm", source_of("rms_norm").replace(" + eps", ""))
    with pytest.raises(
        PartError, match=r"rms_norm failed .*it differs from the reference.*fledge parts verify rms_norm"
    ):
        run_stage(root, "pretrain", "differs", steps=4, parts="mine")
    assert not Run.exists("differs")
    run = run_stage(root, "pretrain", "differs", steps=4, parts="mine", parts_fallback=True)
    said = capsys.readouterr()
    assert "the reference takes its place" in said.err and f"1 of {len(PARTS)} are yours: swiglu" in said.out
    assert list(run.info["parts"]["replaced"]) == ["rms_norm"]
    whole = run_stage(root, "pretrain", "differs not", steps=4)
    assert losses(run) == pytest.approx(losses(whole), abs=1e-4)


def test_a_file_that_changed_since_it_passed_is_not_used(root, learner, called, capsys):
    learner.write_all("swiglu", "rms_norm")
    learner.write("swiglu", source_of("swiglu").replace("* up", "* up * 2"), passed=None)
    run_stage(root, "pretrain", "changed", steps=2, parts="mine")
    assert called == {"rms_norm"}
    assert "swiglu is the reference's: yours changed since it passed" in capsys.readouterr().out


def test_a_run_with_parts_resumes_exactly(root, learner, capsys):
    learner.write_all()
    whole = run_stage(root, "sft with replay", "whole mine", steps=8, parts="mine")
    cut = run_stage(root, "sft with replay", "cut mine", steps=8, parts="mine")
    cut.update(status="running")
    shutil.rmtree(cut.checkpoints_dir / "step-6")
    resumed = run_stage(root, "sft with replay", "cut mine", steps=8, resume=True)
    out = capsys.readouterr().out
    assert "goes on after step 3" in out and "can no longer be bit-identical" not in out
    assert same_weights(whole, resumed) and losses(whole) == losses(resumed)


def test_another_version_of_a_part_may_go_on_and_it_is_said(root, learner, capsys):
    learner.write_all()
    run = run_stage(root, "pretrain", "versions", steps=8, parts="mine")
    run.update(status="running")
    shutil.rmtree(run.checkpoints_dir / "step-6")
    old = run.info["parts"]["yours"]["swiglu"]["sha256"]
    learner.write("swiglu", source_of("swiglu") + "# clearer now\n")
    run = run_stage(root, "pretrain", "versions", steps=8, resume=True)
    new = run.info["parts"]["yours"]["swiglu"]["sha256"]
    out = " ".join(capsys.readouterr().out.split())
    assert (
        old != new
        and f"it goes on with swiglu yours ({old[:8]}) → yours ({new[:8]}): from here it can no longer" in out
    )
    run.update(status="running")
    shutil.rmtree(run.checkpoints_dir / "step-6")
    run = run_stage(root, "pretrain", "versions", steps=8, resume=True, parts="reference")
    assert run.info["parts"]["yours"] == {} and run.info["status"] == "done"
    assert "→ reference" in capsys.readouterr().out
