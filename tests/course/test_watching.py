"""How an answer passed: calls of the reference, and of what the task rules out, are recorded; nobody is accused wrongly."""

from __future__ import annotations

import pytest

from fledge.course.evidence import gather
from fledge.course.exercise import exercises, find_exercise
from fledge.course.grader.grade import Grade, attempt, grade
from fledge.course.grader.watching import resolved
from fledge.course.progress import open_progress
from fledge.course.workspace import find_workspace
from tests.course.learner_files import RIGHT, Here
from tests.course.test_gate import is_due

NAMES = [exercise.name for exercise in exercises()]
USES = {  # variants that are nothing but one call: the record is right to say so
    "rms_norm": {"by_torch": ["torch.nn.functional.rms_norm"]},
    "layer_norm": {"fused": ["torch.nn.functional.layer_norm"]},
    "softmax": {"torch_softmax": ["torch.softmax"]},
    "sdpa": {"torch_kernel": ["torch.nn.functional.scaled_dot_product_attention"]},
    "cross_entropy": {"by_torch": ["torch.nn.functional.cross_entropy"]},
    "sample": {"as_the_engine": ["fledge.parts.sampling.sample"]},
}


@pytest.fixture
def graded(monkeypatch, tmp_path):
    """graded(exercise, source) -> the grade, with the learner's code in this process."""
    monkeypatch.setattr("fledge.course.grader.grade.Child", Here)

    def run(name: str, source: str) -> Grade:
        file = tmp_path / f"{name}.py"
        file.write_text(source, encoding="utf-8")
        return grade(find_exercise(name), file, seed=7)

    return run


def handed_in(name: str, variant: str, function: str) -> str:
    """A variant of the bank as a learner would hand it in: its text stands in their own file."""
    exercise = find_exercise(name)
    text = exercise.source("solution") + "\n" + exercise.source("bank") + f"\n{function} = {variant}\n"
    future = "from __future__ import annotations\n"
    return future + text.replace(future, "")


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_accused_wrongly(name, graded, pytestconfig):
    """With the variants when it is due (that they pass is tried always: tests/course/test_gate.py)."""
    exercise = find_exercise(name)
    assert graded(name, exercise.source("solution")).calls == ()
    for entry in exercise.bank().variants if is_due(name, pytestconfig) else ():
        result = graded(name, handed_in(name, entry.name, exercise.target(entry)))
        assert result.passed, (entry.name, result.case, result.message)
        assert list(result.calls) == USES.get(name, {}).get(entry.name, []), entry.name


@pytest.mark.parametrize(
    ("name", "source", "calls"),
    [
        ("rms_norm", "from fledge.parts.reference import rms_norm", "fledge.parts.reference.rms_norm"),
        (
            "rms_norm",
            "from fledge.parts import REFERENCE\ndef rms_norm(x, weight, eps):\n    return REFERENCE.rms_norm(x, weight, eps)",
            "fledge.parts.reference.rms_norm",
        ),
        (
            "rms_norm",
            "def rms_norm(x, weight, eps):\n    from fledge.course.exercise import find_exercise\n"
            "    return find_exercise('rms_norm').solution()['rms_norm'](x, weight, eps)",
            "rms_norm/solution.py: rms_norm",
        ),
        (
            "rms_norm",
            "import torch\ndef rms_norm(x, weight, eps):\n    layer = torch.nn.RMSNorm(len(weight), eps)\n"
            "    return torch.func.functional_call(layer, {'weight': weight.float()}, (x.float(),)).to(x.dtype)",
            "torch.nn.functional.rms_norm",
        ),
        ("softmax", "def softmax(x, dim):\n    return x.softmax(dim)", "torch.Tensor.softmax"),
        (
            "softmax",
            "import torch\ndef softmax(x, dim):\n    return torch.nn.Softmax(dim)(x)",
            "torch.nn.functional.softmax",
        ),
        (
            "sdpa",
            "import torch.nn.functional as F\nfrom fledge.parts import reference\n"
            "def sdpa(q, k, v, mask):\n    see = mask is not None and mask.any(-1, keepdim=True)\n"
            "    out = F.scaled_dot_product_attention(q, k, v, None if mask is None else mask | ~see)\n"
            "    return out if mask is None else out * see",
            "torch.nn.functional.scaled_dot_product_attention",
        ),
    ],
)
def test_how_it_passed_is_told(name, source, calls, graded):
    result = graded(name, source + "\n")
    assert result.passed and calls in result.calls and calls in result.to_dict()["calls"]


def test_in_a_process_of_its_own_and_in_the_record(tmp_path):
    exercise, file = find_exercise("rms_norm"), tmp_path / "rms_norm.py"
    file.write_text("from fledge.parts.reference import rms_norm\n", encoding="utf-8")
    assert attempt(exercise, file).calls == ("fledge.parts.reference.rms_norm",)

    def evidence():
        with open_progress() as progress:
            return gather(progress, find_workspace())

    step = next(
        step for path in _paths() for step in path.steps if (step.kind, step.subject) == ("exercise", "rms_norm")
    )
    assert "fledge.parts.reference.rms_norm" in (evidence().of(step) or "")
    file.write_text(RIGHT, encoding="utf-8")
    assert attempt(exercise, file).calls == ()  # what was written by hand later is the better evidence
    found = evidence().exercise("rms_norm")
    assert found is not None and (found.attempts, found.passed_at, found.calls) == (2, 2, ())
    assert "fledge" not in (evidence().of(step) or "")


def test_what_a_task_rules_out_exists_and_is_named_in_it():
    for exercise in exercises():
        for name in exercise.forbidden:
            assert callable(resolved(name))
        if exercise.forbidden:
            last = exercise.forbidden[0].rpartition(".")[2]
            assert all(last in text for text in (exercise.task.zh, exercise.task.en)), exercise.name


def _paths():
    from fledge.course.paths import all_paths

    return all_paths().values()
