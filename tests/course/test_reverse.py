"""Reverse exercises: the learner's checks meet the bank."""

from __future__ import annotations

import pytest

from fledge.course.exercise import find_exercise
from fledge.course.grader.reverse import Reverse, attempt_reverse, grade_reverse, starter
from fledge.course.progress import open_progress
from tests.course.learner_files import Here, brief

GOOD = """
import torch
import torch.nn.functional as F


def right(x, weight, eps):
    return F.rms_norm(x.float(), x.shape[-1:], weight.float(), eps).to(x.dtype)


def check(rms_norm):
    torch.manual_seed(0)
    for shape in [(4, 4), (2, 3, 5), (7,)]:
        for eps in (1e-6, 0.5):
            x, weight = torch.randn(shape), torch.randn(shape[-1])
            before = x.clone()
            assert torch.allclose(rms_norm(x, weight, eps), right(x, weight, eps), rtol=1e-4, atol=1e-6)
            assert torch.equal(x, before)
    zeros = rms_norm(torch.zeros(2, 4), torch.ones(4), 1e-6)
    assert zeros.isfinite().all()
    half = torch.full((2, 8), 300.0, dtype=torch.float16)
    result = rms_norm(half, torch.ones(8), 1e-6)
    assert result.dtype == half.dtype and torch.allclose(result.float(), torch.ones(2, 8), atol=0.01)
"""


@pytest.fixture
def here(monkeypatch):
    """The learner's checks run in this process: two seconds less for each test that is not about processes."""
    monkeypatch.setattr("fledge.course.grader.reverse.Child", Here)


@pytest.fixture
def graded(tmp_path):
    def run(source: str) -> Reverse:
        file = tmp_path / "rms_norm_checks.py"
        file.write_text(source, encoding="utf-8")
        return grade_reverse(find_exercise("rms_norm"), file, seed=1)

    return run


def test_good_checks_pass_and_then_learn_what_got_away(graded):
    result = graded(GOOD)
    assert result.passed and result.accepted == result.variants >= 4
    assert result.mistakes > result.killed >= 0.8 * result.mistakes
    assert len(result.escaped) == result.mistakes - result.killed
    assert any("detach" in text.en for text in result.escaped)  # GOOD looks at no gradient


def test_checks_that_check_nothing(here, graded):
    result = graded("def check(rms_norm):\n    rms_norm\n")
    assert not result.passed and result.killed == 0 and result.accepted == result.variants
    assert result.escaped == () and "catches 0 of" in result.message.en


def test_checks_that_reject_everything(here, graded):
    result = graded("def check(rms_norm):\n    assert False\n")
    assert not result.passed and result.killed == result.mistakes and result.accepted == 0
    assert "Everything right must get through" in result.message.en


def test_checks_that_are_too_strict(here, graded):
    strict = (
        GOOD.replace("torch.allclose(", "torch.equal(").replace(", rtol=1e-4, atol=1e-6", "").replace(", atol=0.01", "")
    )
    result = graded(strict)
    assert not result.passed and 0 < result.accepted < result.variants


@pytest.mark.parametrize(
    ("source", "outcome", "words"),
    [
        ("starter", "NOT_ATTEMPTED", "not written yet"),
        ("def check(rms_norm)\n", "IMPORT", "syntax error"),
        ("import nothing_of_the_kind\n", "IMPORT", "nothing_of_the_kind"),
        ("def chekc(rms_norm): pass\n", "CONTRACT", "no function `check`; it has: `chekc`"),
        ("def check(): pass\n", "CONTRACT", "it is called with (rms_norm)"),
        ("def check(rms_norm):\n    undefined(rms_norm)\n", "CONTRACT", "check itself fails: your code raises (line 2"),
        ("import sys\ndef check(rms_norm): sys.exit(0)\n", "CONTRACT", "calls exit"),
    ],
    ids=brief,
)
def test_checks_that_cannot_be_used(here, graded, source, outcome, words):
    result = graded(starter(find_exercise("rms_norm")) if source == "starter" else source)
    assert result.outcome == outcome and words in result.message.en, result.message.en
    assert not result.passed and result.escaped == ()


def test_a_process_that_ends_catches_nothing(graded):
    result = graded("import os\ndef check(rms_norm): os._exit(0)\n")
    assert (result.outcome, result.killed, result.accepted) == ("CONTRACT", 0, 0)
    assert "ends its process" in result.message.en


def test_the_implementations_do_not_tell_what_they_are(graded):
    source = "def check(rms_norm):\n    print(rms_norm.__name__, rms_norm.__qualname__, rms_norm.__doc__)\n"
    assert set(graded(source).printed.splitlines()) == {"rms_norm rms_norm None"}


def test_an_attempt_is_kept(tmp_path):
    file = tmp_path / "rms_norm_checks.py"
    file.write_text(GOOD, encoding="utf-8")
    result = attempt_reverse(find_exercise("rms_norm"), file)
    with open_progress() as progress:
        (event,) = progress.events("reverse", "rms_norm")
    assert event.data == {
        "killed": result.killed,
        "of": result.mistakes,
        "accepted": result.accepted,
        "variants": result.variants,
        "passed": True,
    }
