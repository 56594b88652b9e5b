"""Grading: every outcome, the diagnosis, the costs, and that the verdict is made out of the learner's reach."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fledge.course.exercise import find_exercise
from fledge.course.grader.failures import too_slow
from fledge.course.grader.grade import Grade, attempt, grade
from fledge.course.grader.measuring import CallResult
from fledge.course.progress import open_progress
from tests.course.learner_files import HEAD, LAYER_NORM, RIGHT, Here, before, brief, returning


@pytest.fixture
def here(monkeypatch):
    """The learner's code runs in this process: two seconds less for each test that is not about processes."""
    monkeypatch.setattr("fledge.course.grader.grade.Child", Here)


@pytest.fixture
def graded(tmp_path):
    """graded(source) -> the grade of a file with that text (or those bytes)."""

    def run(source: str | bytes, *, seed: int = 1, **changes) -> Grade:
        exercise = dataclasses.replace(find_exercise("rms_norm"), **changes)
        file = tmp_path / "练习 one" / "rms_norm.py"  # a path with a space and Chinese
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(source if isinstance(source, bytes) else source.encode("utf-8"))
        return grade(exercise, file, seed=seed)

    return run


def test_right(graded):
    result = graded(RIGHT + "print('hello', rms_norm.__name__)\n")
    assert result.passed and result.mistake is None and result.printed == "hello rms_norm"
    assert {case.outcome for case in result.cases} == {"PASS"} and len(result.cases) == 13
    assert result.costs and result.costs["yours"]["flops"] > 0 and result.costs["reference"]["saved"] > 0


@pytest.mark.parametrize("name", ["starter", "by itself", "a comment"])
def test_not_attempted(here, graded, name):
    starter = find_exercise("rms_norm").source("starter")
    sources = {
        "starter": starter,
        "a comment": starter + "\n# soon\n",
        "by itself": HEAD + "def rms_norm(x, weight, eps):\n    raise NotImplementedError('soon')\n",
    }
    result = graded(sources[name])
    assert result.outcome == "NOT_ATTEMPTED" and not result.passed


def test_a_known_mistake_is_told_by_name(here, graded):
    result = graded(LAYER_NORM)
    assert (result.outcome, result.case, result.mistake) == ("WRONG_VALUE", "plain", "mean_subtracted")
    assert "LayerNorm" in result.message.zh and "LayerNorm" in result.message.en
    assert result.detail is not None and "wanted" in result.detail.en
    status = {case.name: case.outcome for case in result.cases}
    assert status["plain"] == "WRONG_VALUE" and status["cost"] == "PASS"


@pytest.mark.parametrize(
    ("source", "outcome", "mistake"),
    [
        (RIGHT.replace(".mean(-1, keepdim=True)", ".mean()"), "WRONG_VALUE", "one_for_all"),
        (RIGHT.replace(".add(eps)", ""), "WRONG_VALUE", "eps_forgotten"),
        (RIGHT.replace("rsqrt()", "rsqrt().detach()"), "WRONG_GRAD", "root_detached"),
        (RIGHT.replace("x32 = x.float()", "x32 = x"), "UNSTABLE", "squared_in_half"),
        (RIGHT.replace(" * weight.to(x.dtype)", " * weight"), "CONTRACT", "weight_not_converted"),
        (RIGHT.replace("(x32 * scale).to(x.dtype)", "x.copy_(x32 * scale).clone()"), "CONTRACT", None),
        (RIGHT.replace("add(eps)", "add(eps + 3)"), "WRONG_VALUE", None),
        (returning("x"), "CONTRACT", None),
        (returning("x.view(x.shape)"), "CONTRACT", None),
        (returning("x.double()"), "CONTRACT", None),
        (returning("x.tolist()"), "CONTRACT", None),
        (returning("x[..., :1] * 1"), "CONTRACT", None),
        (returning("None"), "CONTRACT", None),
        (returning("torch.zeros_like(x)"), "WRONG_VALUE", None),
        (returning("{1, 2}"), "CONTRACT", None),
        (returning("x.to('meta')"), "CONTRACT", None),
        (returning("torch.zeros(1).expand(10**12)"), "CONTRACT", None),
        (returning("x / 0 * float('nan')"), "UNSTABLE", None),
    ],
    ids=brief,
)
def test_wrong(here, graded, source, outcome, mistake):
    result = graded(source)
    assert (result.outcome, result.mistake) == (outcome, mistake), (result.message, result.detail)
    assert result.message.zh != result.message.en


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (returning("x.double()"), "dtype is float64, wanted float32"),
        (returning("x[..., :1] * 1"), "shape is [3, 1], wanted [3, 8]"),
        (returning("x"), "shares memory with the argument `x`"),
        (HEAD + "def rms_norm(x, weight, eps):\n    y = x * 2\n", "did you forget `return`"),
        (HEAD + "def rmsnorm(x, weight, eps):\n    return x\n", "no function `rms_norm`; it has: `rmsnorm`."),
        (
            HEAD + "def rms_norm(x, weight):\n    return x\n",
            "yours are (x, weight), it is called with (x, weight, eps)",
        ),
        (HEAD + "rms_norm = 3\n", "no function `rms_norm`"),
        (RIGHT.replace("eps)", "epsilon)", 1), "(line 6 `scale = (x32 * x32)"),
        (RIGHT.replace("x.float()", "x.flaot()"), "AttributeError: 'Tensor' object has no attribute 'flaot'"),
        (before("return rms_norm(x, weight, eps)"), "calls itself without end"),
        (before("import sys; sys.exit(0)"), "calls exit"),
        (before("raise KeyboardInterrupt"), "KeyboardInterrupt"),
    ],
    ids=brief,
)
def test_what_is_said(here, graded, source, words):
    result = graded(source)
    assert result.outcome == "CONTRACT" and words in result.message.en, result.message.en


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def rms_norm(x, weight, eps)\n    return x\n", "syntax error in line 1: expected ':'"),
        ("def rms_norm(x, weight, eps):\n    return x  # 归一化\n".encode("gbk"), "not UTF-8"),
        (b"def f():\n    return '\x00'\n", "null byte"),
        (HEAD + "import tensorflow_of_mine\n", "No module named 'tensorflow_of_mine'"),
        (HEAD + "1 / 0\n", "(line 4 `1 / 0`): ZeroDivisionError"),
        (HEAD + "import sys\nsys.exit(0)\n", "calls exit (line 5 `sys.exit(0)`)"),
    ],
    ids=brief,
)
def test_a_file_that_does_not_load(here, graded, source, words):
    result = graded(source)
    assert result.outcome == "IMPORT" and words in result.message.en, result.message.en


def test_nothing_that_the_child_says_can_make_a_pass(graded):
    wrong = returning("x * 0 + 1").replace("import torch\n", "import torch, sys, os\nprint('PASS')\n")
    assert graded(wrong).outcome == "WRONG_VALUE"
    tricks = """
import fledge.course.grader.checking, fledge.course.grader.compare, fledge.course.grader.measuring
torch.allclose = torch.equal = lambda *a, **k: True
torch.Tensor.__eq__ = lambda *a: torch.ones((), dtype=torch.bool)
fledge.course.grader.checking.difference = fledge.course.grader.compare.unlike = lambda *a, **k: None
fledge.course.grader.measuring.measure.__globals__['tensors_in'] = lambda value: iter(())
print('{"outcome": "PASS"}')
"""
    assert not graded(wrong + tricks).passed
    writes = """
for descriptor in range(3, 20):
    try:
        os.write(descriptor, b'PASS' * 9)
    except OSError:
        pass
"""
    result = graded(wrong + writes)
    assert not result.passed and result.message.en


def test_the_outcome_of_one_case_leaves_the_others_alone(here, graded):
    result = graded(before("if x.dtype == torch.bfloat16: raise ValueError('no bfloat16')"))
    assert (result.outcome, result.case) == ("CONTRACT", "bfloat16")
    assert [case.name for case in result.cases if case.outcome != "PASS"] == ["bfloat16"]
    assert "(line 5" in result.message.en


def test_too_costly(here, graded):
    wasteful = RIGHT.replace("x32 = x.float()", "x32 = x.float()\n    for _ in range(40):\n        x32 = x32 * 1.0")
    result = graded(wasteful, ceilings={"bytes": 4.0})
    assert (result.outcome, result.case) == ("TOO_BIG", "cost")
    assert "bytes written" in result.message.en
    assert graded(wasteful, ceilings={}).passed


def test_earlier_exercises_can_be_imported_and_hide_nothing_of_python(here, graded, tmp_path):
    folder = tmp_path / "练习 one"
    folder.mkdir()
    (folder / "my_scale.py").write_text("def double(x):\n    return x + x\n", encoding="utf-8")
    (folder / "random.py").write_text("raise RuntimeError('the wrong random')\n", encoding="utf-8")
    assert graded("import random\nfrom my_scale import double\n" + RIGHT).passed


def test_an_attempt_is_kept(tmp_path):
    file = tmp_path / "rms_norm.py"
    exercise = find_exercise("rms_norm")
    for source in (LAYER_NORM, RIGHT):
        file.write_text(source, encoding="utf-8")
        attempt(exercise, file)
    with open_progress() as progress:
        first, second = progress.events("attempt", "rms_norm")
    assert (first.data["outcome"], first.data["case"], first.data["mistake"]) == (
        "WRONG_VALUE",
        "plain",
        "mean_subtracted",
    )
    assert (first.data["passed"], second.data["passed"], second.data["case"]) == (False, True, None)
    assert len(second.data["sha256"]) == 64 and second.data["sha256"] != first.data["sha256"]


def test_two_faults_are_told_the_first_that_shows(tmp_path):
    """Neither upcast nor the right formula: no single mistake explains every case, one explains those without half precision."""
    body = "    x = x - x.mean(-1, keepdim=True)\n    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight\n"
    file = tmp_path / "rms_norm.py"
    file.write_text(f"import torch\n\n\ndef rms_norm(x, weight, eps):\n{body}", encoding="utf-8")
    found = grade(find_exercise("rms_norm"), file, seed=1)
    assert found.outcome == "WRONG_VALUE" and found.mistake == "mean_subtracted"
    assert found.message.en.startswith("A part of it looks like this mistake: You subtract the mean")


def test_an_exception_may_be_what_is_wanted(tmp_path):
    exercise = find_exercise("lr_at")
    source = (exercise.path / "solution.py").read_text(encoding="utf-8")
    assert "raise ValueError" in source
    file = tmp_path / "lr_at.py"
    file.write_text(source.replace("raise ValueError", "return len"), encoding="utf-8")
    found = grade(exercise, file, seed=1)
    assert not found.passed and found.case == "unknown_schedule"


def test_a_mistake_that_is_wrong_where_the_learner_is_right_is_not_theirs(here, graded):
    """eps only where it is needed: 'eps_forgotten' gives the same wrong numbers, but nan for a vector of zeros."""
    body = "size = x.float().square().mean(-1, keepdim=True)\nsize = torch.where(size == 0, 1.0, size)"
    source = before(body).replace("scale = (x32 * x32).mean(-1, keepdim=True).add(eps).rsqrt()", "scale = size.rsqrt()")
    found = graded(source)
    assert found.outcome == "WRONG_VALUE" and found.mistake not in ("eps_forgotten", "eps_hard_coded")


def test_two_exceptions_of_one_kind_are_two_mistakes(tmp_path, monkeypatch):
    """Both raise a RuntimeError: heads cut as if H * D were C, and a matrix that is not transposed."""
    monkeypatch.setattr("fledge.course.grader.grade.Child", Here)
    exercise, file = find_exercise("transformer_block"), tmp_path / "transformer_block.py"
    source = exercise.source("solution").replace("count, -1)", "count, x.shape[-1] // num_heads)")
    file.write_text(source, encoding="utf-8")
    assert grade(exercise, file, seed=1).mistake == "head_size_from_the_width"
    file.write_text(
        exercise.source("solution").replace("F.linear(h, weights[f", "torch.matmul(h, weights[f"), encoding="utf-8"
    )
    assert grade(exercise, file, seed=1).mistake != "head_size_from_the_width"


class OutOfTime(Here):
    """Nothing is as fast as the larger input of the costs wants it."""

    def ask(self, request: dict[str, Any]) -> CallResult:
        if request["cost"]:
            raise too_slow(10)
        return super().ask(request)


def test_right_and_slow_is_right_where_no_cost_is_limited(graded, monkeypatch):
    monkeypatch.setattr("fledge.course.grader.grade.Child", OutOfTime)
    slow = graded(RIGHT, ceilings={})
    assert slow.passed and slow.costs is None and slow.cases[-1].outcome == "NOT_RUN"
    assert graded(RIGHT).outcome == "TOO_SLOW"
    assert graded(LAYER_NORM, ceilings={}).outcome == "WRONG_VALUE"


@pytest.mark.slow
def test_plain_loops_are_in_time(tmp_path):
    exercise, file = find_exercise("alibi_bias"), tmp_path / "alibi_bias.py"
    loops = """
def alibi_bias(num_heads, length):
    bias = torch.zeros(num_heads, length, length)
    for head, slope in enumerate(_slopes(num_heads)):
        for i in range(length):
            for j in range(length):
                bias[head, i, j] = -slope * (i - j) if j <= i else float("-inf")
    return bias
"""
    file.write_text(exercise.source("solution") + loops, encoding="utf-8")
    result = grade(exercise, file, seed=1)
    assert result.passed and result.costs, (result.case, result.message)


@pytest.mark.slow
def test_a_model_without_memory_may_be_counted(tmp_path, monkeypatch):
    """torch makes a folder for this, whose name stays in the environment once any process has built such a model."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "elsewhere"))
    exercise, file = find_exercise("count_parameters"), tmp_path / "count_parameters.py"
    table = "    with torch.device('meta'):\n        torch.nn.Embedding(config['vocab_size'], config['hidden_size'])\n"
    source = exercise.source("solution").replace("    width, head_dim", table + "    width, head_dim")
    file.write_text("import torch\n" + source, encoding="utf-8")
    result = grade(exercise, file, seed=1)
    assert result.passed, (result.case, result.message)
