"""What is the learner's and what is not, loading it, and holding it against the reference."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re

import pytest
import torch

from fledge.course import desk
from fledge.course.exercise import exercises
from fledge.course.mine import answer_file, choose, load_mine, my_parts, used_parts
from fledge.course.progress import Progress
from fledge.errors import UserError
from fledge.model.presets import preset
from fledge.parts import REFERENCE, Parts
from fledge.parts.blame import blame
from fledge.parts.learner import (
    MyPart,
    PartError,
    banner,
    load_function,
    record,
    stop,
    yours,
)
from fledge.parts.table import FORWARD, PARTS
from fledge.parts.verify import check_part, verify
from tests.parts.conftest import OWN, source_of

CPU = torch.device("cpu")
SHAPE = preset("cpu-2m", vocab_size=300, num_hidden_layers=1)
SHAPES = {
    "cpu-2m": SHAPE,
    "experts": preset("moe-8m", vocab_size=300),
    "one key head, yarn": preset(
        "cpu-2m",
        vocab_size=300,
        num_key_value_heads=1,
        head_dim=16,
        rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    ),
}


def states() -> dict[str, str]:
    return {part.name: part.state for part in my_parts()}


def problems(name: str, source: str, tmp_path, shape=SHAPE, dtypes=(torch.float32,)) -> list[str]:
    """What the verification of such a part complains about."""
    file = tmp_path / f"{name}.py"
    file.write_text(source, encoding="utf-8")
    part = MyPart(name, *load_function(file, name))
    return [check.wrong for check in check_part(part, shape, dtypes, CPU) if check.wrong]


def test_the_table_has_every_part():
    assert set(PARTS) == {field.name for field in dataclasses.fields(Parts)}
    assert all(part.about.zh and part.about.en for part in PARTS.values())


def test_states_follow_the_last_attempt_and_the_file(learner):
    assert set(states().values()) == {"not started"}
    learner.write("swiglu", source_of("swiglu"), passed=None)
    assert states()["swiglu"] == "not started"
    learner.write("swiglu", source_of("swiglu"), passed=False)
    assert states()["swiglu"] == "failing"
    file = learner.write("swiglu", source_of("swiglu"))
    assert states()["swiglu"] == "passed"
    file.write_text(source_of("swiglu") + "\n", encoding="utf-8")
    assert states()["swiglu"] == "changed"
    file.write_bytes(source_of("swiglu").encode())
    assert states()["swiglu"] == "passed"
    file.unlink()
    assert states()["swiglu"] == "not started"
    learner.write("swiglu", source_of("swiglu"))
    learner.write("swiglu", "def swiglu(gate, up): return up\n", passed=False)
    assert states()["swiglu"] == "failing"


def test_nothing_passed_yet_names_the_command(learner):
    with pytest.raises(UserError, match=r"begin with `fledge exercise start rms_norm`"):
        load_mine("mine")
    learner.write("swiglu", source_of("swiglu"), passed=False)
    with pytest.raises(UserError, match=r"begin with `fledge exercise start swiglu`"):
        used_parts()
    learner.write("swiglu", source_of("swiglu"))
    choose([])
    with pytest.raises(UserError, match=r"none of your parts \(swiglu\) is chosen.*parts use --all"):
        used_parts()
    choose(None)
    assert [part.name for part in used_parts()] == ["swiglu"]
    learner.write("swiglu", source_of("swiglu") + "# a thought\n", passed=None)
    with pytest.raises(UserError, match=r"swiglu changed since it passed: check it again with `fledge check swiglu`"):
        used_parts()


def passed_by_calling(learner, name: str, *calls: str) -> None:
    """The part's file passed, and the grader saw what it called."""
    file = learner.write(name, source_of(name))
    with Progress(learner.space.database) as progress:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        progress.add("attempt", name, outcome="PASS", passed=True, sha256=sha256, calls=list(calls))


def test_what_passed_by_calling_the_reference_is_not_yours(learner):
    passed_by_calling(learner, "rms_norm", "fledge.parts.reference.rms_norm")
    said = "rms_norm passed by calling fledge.parts.reference.rms_norm: it becomes yours when you write it by hand"
    assert states()["rms_norm"] == "called"
    for use in (used_parts, lambda: load_mine("mine"), lambda: choose(["rms_norm"])):
        with pytest.raises(UserError, match=said):
            use()
    learner.write_all("swiglu")
    assert [part.name for part in used_parts()] == ["swiglu"]
    parts = load_mine("mine")
    assert list(record(parts)["yours"]) == ["swiglu"] and list(record(parts)["replaced"]) == ["rms_norm"]
    assert "rms_norm is the reference's: yours passed by calling fledge.parts.reference.rms_norm" in banner(parts)
    learner.write("rms_norm", source_of("rms_norm"))
    assert states()["rms_norm"] == "passed"


def test_only_what_passed_can_be_chosen_and_it_is_remembered(learner):
    learner.write_all("swiglu", "lr_at", "rms_norm")
    assert [part.name for part in used_parts()] == ["rms_norm", "swiglu", "lr_at"]
    choose(["lr_at", "swiglu", "lr_at"])
    assert [part.name for part in used_parts()] == ["swiglu", "lr_at"]
    with pytest.raises(UserError, match="attention cannot be used, it is not started: first `fledge exercise start"):
        choose(["attention"])
    with pytest.raises(UserError, match="Did you mean 'swiglu'"):
        choose(["swigly"])
    assert [part.name for part in used_parts()] == ["swiglu", "lr_at"]
    for spoilt in ("{", "[]", '{"use": 3}'):
        learner.space.database.with_name("parts.json").write_text(spoilt, encoding="utf-8")
        assert len(used_parts()) == 3
    learner.write_all("cross_entropy")
    choose(None)
    assert len(used_parts()) == 4


def test_a_part_is_the_function_of_the_file_as_it_is_now(learner):
    file = learner.write("swiglu", source_of("swiglu"))
    parts = load_mine("mine")
    assert [part.name for part in yours(parts)] == ["swiglu"] and parts.rms_norm is REFERENCE.rms_norm
    first = yours(parts)[0].sha256
    assert record(parts)["yours"] == {"swiglu": {"sha256": first, "file": file.as_posix()}}
    x = torch.tensor([1.0])
    assert parts.swiglu(x, x) == pytest.approx(0.7310586)
    # the same size within the same second: a cached .pyc would still be the old one
    learner.write("swiglu", source_of("swiglu").replace("gate * torch", "gate + torch"))
    assert load_mine("mine").swiglu(x, x) == pytest.approx(1.7310586)
    assert not list(learner.space.exercises.glob("__pycache__"))
    assert load_mine("reference") is REFERENCE


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def swiglu(gate, up:\n", r"your swiglu failed \(swiglu.py, line 1\): SyntaxError"),
        ("import torch\nimport nothing_of_the_kind\n", r"\(swiglu.py, line 2\): ModuleNotFoundError: No module named"),
        ("swiglu = 3\n", r"\(swiglu.py\): the file has no function swiglu"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_sentence(learner, source, sentence, capsys):
    learner.write_all("rms_norm")
    learner.write("swiglu", source)
    with pytest.raises(PartError, match=sentence):
        load_mine("mine")
    parts = load_mine("mine", fallback=True)
    assert [part.name for part in yours(parts)] == ["rms_norm"]
    assert "From here the reference takes its place." in capsys.readouterr().err


def test_parts_that_are_not_used_here_are_not_loaded(learner):
    learner.write("lr_at", "this is no Python\n")
    with pytest.raises(UserError, match=r"none of your parts \(lr_at\) is used here"):
        load_mine("mine", only=FORWARD)
    learner.write_all("swiglu")
    assert [part.name for part in yours(load_mine("mine", only=FORWARD))] == ["swiglu"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_right_parts_agree_in_every_dtype(learner, shape, dtype):
    learner.write_all()
    for part in yours(load_mine("mine")):
        checks = list(check_part(part, SHAPES[shape], (torch.float32, dtype), CPU))
        assert len(checks) >= 3 and not [check for check in checks if check.wrong], part.name
    verify(load_mine("mine"), SHAPES[shape], dtype, CPU, "wsd")


def test_a_schedule_that_the_exercise_does_not_ask_for_is_the_references(learner):
    learner.write_all("lr_at", "swiglu")
    parts = load_mine("mine")
    verify(parts, SHAPE, torch.float32, CPU, "minimind")
    assert [part.name for part in yours(parts)] == ["swiglu"]
    assert "lr_at is the reference's: the schedule minimind is not in the exercise" in banner(parts)


def test_the_reference_agrees_with_itself(tmp_path):
    for name in PARTS:
        source = f"from fledge.parts import REFERENCE\n{name} = REFERENCE.{name}\n"
        assert problems(name, source, tmp_path, dtypes=(torch.float32, torch.bfloat16, torch.float16)) == [], name


WRONG = {  # part -> (what is replaced in the right one, by what, what is said)
    "mean subtracted": ("rms_norm", "wide = x.to(torch.float32)", "wide = x.float() - x.float().mean(-1, True)", "off by"),
    "half precision squares": ("rms_norm", "wide = x.to(torch.float32)", "wide = x", "off by|nan or infinite"),
    "eps forgotten": ("rms_norm", " + eps", "", "off by"),
    "not cast back": ("rms_norm", "(wide / size).to(x.dtype)", "(wide / size)", "float32.*instead of bfloat16"),
    "gradient cut": ("rms_norm", "wide = x.to(", "wide = x.detach().to(", "gradient of x"),
    "input changed": ("swiglu", "return", "up *= 1.5; return", "in-place|changed argument"),
    "divided by zero": ("swiglu", "* up", "* up / (gate - gate)", "numbers are nan or infinite"),
    "targets overwritten": ("cross_entropy", "!= -100\n", "!= -100; targets_N[~learnt] = 0\n", "changed argument 2"),
    "rotated backwards": ("apply_rope", "a * c - b * s, b * c + a * s", "a * c + b * s, b * c - a * s", "off by"),
    "not scaled": ("attention", " / math.sqrt(q_BHTD.shape[-1])", "", "off by"),
    "sees the future": ("attention", "if mask is None and T > 1", "if mask is None and T > 99", "off by"),
    "heads in the wrong order": ("attention", "k_BHSD.repeat_interleave(heads // groups, dim=1)",
                                 "k_BHSD.repeat(1, heads // groups, 1, 1)", "off by"),
    "bool mask added": ("attention", "mask.dtype == torch.bool", "mask.dtype == torch.int8", "off by"),
    "one token masked": ("attention", "mask is None and T > 1", "mask is None", "off by"),
    "weights in half precision": ("route_tokens", "logits_NE.float()", "logits_NE", "instead of float32"),
    "never normalised": ("route_tokens", "if normalise:", "if False:", "off by"),
    "mean instead of sum": ("cross_entropy", ".sum()", ".mean()", "off by"),
    "padding counted": ("cross_entropy", "targets_N != -100", "targets_N != -101", "."),
    "always clipped": ("clip_gradients", "min(1.0, max_norm / (norm.item() + 1e-6))", "max_norm / norm.item()", "."),
    "clipped one by one": ("clip_gradients", "grad *= factor", "grad *= min(1.0, max_norm / grad.norm().item())", "off by"),
    "a copy clipped": ("clip_gradients", "grad *= factor", "grad = grad * factor", "off by"),
    "norm after": ("clip_gradients", "return norm", "return norm * factor", "off by"),
    "no bias correction": ("adamw_step", "exp_avg / (1 - beta1**step)", "exp_avg", "off by"),
    "decay through Adam": ("adamw_step", "param -= lr * weight_decay * param", "grad = grad + weight_decay * param", "off by"),
    "moments not kept": ("adamw_step", "exp_avg.copy_(", "exp_avg = (", "off by"),
    "no floor at the end": ("lr_at", "1 - (1 - floor) * after", "1 - (1 - floor) * after * after", "instead of"),
    "not shifted": ("sft_targets", "answer_T[1:], ids_T[1:]", "answer_T[:-1], ids_T[1:]", "numbers differ"),
    "same token": ("sft_targets", "ids_T[1:], -100", "ids_T[:-1], -100", "numbers differ"),
    "temperature not squared": ("kd_loss", "temperature**2", "temperature", "off by"),
    "the other direction": ("kd_loss", "entropy - (p * q).sum()", "(q.exp() * q).sum() - (q.exp() * p.log()).sum()", "off by"),
    "temperature upside down": ("sample", "logits_BV / temperature", "logits_BV * temperature", "numbers differ"),
    "top-k one short": ("sample", "top_k, len(logits)) - 1", "top_k, len(logits)) - 2", "numbers differ"),
    "argmax": ("sample", "rows.append(", "rows.append(logits.argmax()) if True else rows.append(", "numbers differ"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_parts_are_found(mistake, tmp_path):
    name, right, wrong, sentence = WRONG[mistake]
    source = source_of(name)
    assert right in source
    found = problems(
        name, source.replace(right, wrong), tmp_path, dtypes=(torch.float32, torch.bfloat16, torch.float16)
    )
    assert found
    assert any(re.search(sentence, problem) for problem in found), found


def test_a_part_that_raises_says_where(tmp_path):
    found = problems("swiglu", "def swiglu(gate, up):\n    a = 1\n    return gate @ up\n", tmp_path)
    assert found and "RuntimeError" in found[0]
    source = "def swiglu(gate, up):\n    a = 1\n    return gate / 0 if gate.dim() > 9 else [][1]\n"
    (tmp_path / "swiglu.py").write_text(source, encoding="utf-8")
    part = MyPart("swiglu", *load_function(tmp_path / "swiglu.py", "swiglu"))
    assert {check.line for check in check_part(part, SHAPE, (torch.float32,), CPU)} == {3}


def test_a_part_that_differs_stops_or_is_replaced(learner, capsys):
    learner.write_all("swiglu", "lr_at")
    learner.write("rms_norm", source_of("rms_norm").replace(" + eps", ""))
    with pytest.raises(
        PartError, match=r"your rms_norm failed .*it differs from the reference \(\[2, 24, 256\], small"
    ):
        verify(load_mine("mine"), SHAPE, torch.float32, CPU)
    parts = load_mine("mine", fallback=True)
    verify(parts, SHAPE, torch.float32, CPU)
    assert "the reference takes its place" in capsys.readouterr().err
    x, weight = torch.zeros(2, 4), torch.ones(4)
    assert parts.rms_norm(x, weight, 1e-6).isfinite().all()  # without eps it would be 0 / 0
    assert [part.name for part in yours(parts)] == ["swiglu", "lr_at"]
    assert list(record(parts)["replaced"]) == ["rms_norm"] and list(record(parts)["yours"]) == ["swiglu", "lr_at"]
    said = banner(parts)
    assert f"2 of {len(PARTS)} are yours: swiglu, lr_at" in said and "rms_norm is the reference's: it differs" in said


def test_the_banner_counts_and_names_what_changed(learner, monkeypatch):
    learner.write_all()
    learner.write("rms_norm", source_of("rms_norm") + "# later\n", passed=None)
    parts = load_mine("mine")
    first = banner(parts).splitlines()[0]
    assert first.startswith(f"  parts: {len(PARTS) - 1} of {len(PARTS)} are yours: apply_rope, attention")
    assert "rms_norm is the reference's: yours changed since it passed, `fledge check rms_norm` first" in banner(parts)
    assert banner(load_mine("mine", only=FORWARD), FORWARD).startswith("  parts: 5 of 6 are yours")
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    assert banner(parts).startswith(f"  部件：{len(PARTS)} 个里有 {len(PARTS) - 1} 个是你写的：apply_rope、attention")
    assert banner(REFERENCE) == ""


def test_half_an_update_is_undone(learner):
    learner.write(
        "adamw_step",
        "def adamw_step(param, grad, exp_avg, exp_avg_sq, step, **rates):\n    param += 7\n    exp_avg += 7\n    1 / 0\n",
    )
    part = yours(load_mine("mine"))[0]
    tensors = [torch.ones(3) for _ in range(4)]
    rates = {"lr": 0.1, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.0}
    with pytest.raises(PartError, match=r"adamw_step.py, line 4\): ZeroDivisionError: division by zero\."):
        part(*tensors, 1, **rates)
    assert all(torch.equal(tensor, torch.ones(3)) for tensor in tensors)
    expected = [torch.ones(3) for _ in range(4)]
    REFERENCE.adamw_step(*expected, 1, **rates)

    def replace(part, error):
        part.replaced = error.what

    part.on_failure = replace
    part(*tensors, 1, **rates)
    assert all(torch.equal(a, b) for a, b in zip(tensors, expected))


def test_nan_is_the_parts_fault_only_if_the_reference_has_none(learner):
    learner.write_all("clip_gradients")
    part = yours(load_mine("mine"))[0]
    grads = [torch.tensor([1.0, float("inf")])]
    assert not part(grads, 1.0).isfinite()  # an overflow is for the loop to see
    learner.write("clip_gradients", source_of("clip_gradients").replace("grad *= factor", "grad *= factor / 0"))
    with pytest.raises(PartError, match="ZeroDivisionError"):
        yours(load_mine("mine"))[0]([torch.ones(2)], 1.0)
    learner.write("clip_gradients", source_of("clip_gradients").replace("grad *= factor", "grad *= float('nan')"))
    grads = [torch.ones(2)]
    with pytest.raises(PartError, match="nan or infinity where the reference, given the same, makes numbers"):
        yours(load_mine("mine"))[0](grads, 1.0)
    assert torch.equal(grads[0], torch.ones(2))


def test_memory_that_ran_out_is_not_the_parts_fault(learner):
    learner.write(
        "swiglu", "import torch\ndef swiglu(gate, up):\n    raise torch.OutOfMemoryError('CUDA out of memory')\n"
    )
    with pytest.raises(torch.OutOfMemoryError):
        load_mine("mine").swiglu(torch.ones(1), torch.ones(1))


def test_blame_names_the_part_whose_replacement_helps(learner):
    learner.write_all("rms_norm", "swiglu", "lr_at")
    mine = yours(load_mine("mine"))

    def replaced() -> set[str]:
        return {part.name for part in mine if part.replaced}

    found = blame(mine, lambda: "swiglu" in replaced(), "it broke")
    assert found and found.part == "swiglu" and "it broke; on the same rows" in str(found)
    found = blame(mine, lambda: bool(replaced() & {"swiglu", "lr_at"}), "it broke")
    assert found and found.part == "swiglu" and "the reference in its place (or lr_at)" in str(found)
    found = blame(mine, lambda: replaced() >= {"swiglu", "lr_at"}, "it broke")
    assert found and found.part == "rms_norm, swiglu, lr_at" and "no single one is to blame" in str(found)
    found = blame(mine, lambda: True, "it broke")
    assert found and found.part == "rms_norm, swiglu, lr_at" and "did not happen again" in str(found)
    assert blame(mine, lambda: False, "it broke") is None and blame([], lambda: True, "it broke") is None
    assert replaced() == set() and [part.on_failure for part in mine] == [stop] * 3


def test_the_own_parts_of_these_tests_are_complete():
    assert {file.stem for file in OWN.glob("*.py")} == set(PARTS)


def test_the_choice_is_a_file_of_the_workspace(learner):
    learner.write_all("swiglu")
    choose(["swiglu"])
    (file,) = learner.space.database.parent.glob("parts.json")
    assert json.loads(file.read_text(encoding="utf-8")) == {"use": ["swiglu"]}
    assert answer_file(learner.space, "swiglu").is_file()


def test_every_part_is_an_exercise_of_the_book_at_the_place_where_it_is_looked_for(learner):
    exercised = {exercise.part: exercise for exercise in exercises() if exercise.part}
    assert set(exercised) == set(PARTS)
    for name, exercise in exercised.items():
        assert exercise.name == name and exercise.functions == (name,)
        assert desk.answer_file(learner.space, exercise) == answer_file(learner.space, name)
