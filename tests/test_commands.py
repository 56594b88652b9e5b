"""What the README, the book and the deep path print runs as it is typed; what takes long is made small by flags at the end."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fledge import cli
from fledge.course import quiz
from fledge.course.book import book_root, find_topic
from fledge.course.evidence import gather
from fledge.course.exercise import find_exercise
from fledge.course.paths import Step, find_path
from fledge.course.progress import open_progress
from fledge.course.workspace import find_workspace
from tests.book.test_pages import PAGES, commands, read
from tests.conftest import ROOT
from tests.test_docs import TEXTS
from tests.test_docs import commands as readme_commands
from tests.test_seeds import clone

__all__ = ["clone"]

pytestmark = pytest.mark.slow
MADE = [book_root() / "README.md", *book_root().glob("*/*/quiz.md")]  # pages that a program writes
PRINTED = sorted(
    {
        command.partition("  #")[0].rstrip()
        for page in [*(page for _, page in PAGES), *MADE]
        for command in commands(read(page))
        if not command.startswith("cd ")
    }
)
SMALL = {"lab": ["--quick", "--seeds=1"], "quickstart": ["--size=tiny"]}


def solve(*names: str) -> None:
    """Hand in the book's own solutions, and have them graded."""
    for name in names:
        assert cli.main(["exercise", "start", name]) == 0
        file = find_workspace().exercises / f"{name}.py"
        file.write_text(find_exercise(name).source("solution"), encoding="utf-8")
        assert cli.main(["check", name]) == 0


def right_answers(topic: str) -> list[str]:
    """Of every item in the order of the page, what `--answers` takes."""
    found = []
    for item in quiz.load(find_topic(topic)).items:
        shown = quiz.arrange(item, None)
        letters = "".join(quiz.LETTERS[shown.index(number)] for number in item.correct)
        found.append(letters or str(item.answer))
    return found


def small(command: str) -> tuple[str, ...]:
    """The words after `fledge`, with flags that make long work short."""
    words = shlex.split(command)[1:]
    return tuple(words) + tuple(word for word in SMALL.get(words[0], []) if word not in words)


@pytest.mark.parametrize(
    "words", dict.fromkeys(small(line) for line in PRINTED if line.startswith("fledge ")), ids=" ".join
)
def test_a_printed_command_runs(words, tmp_path, capsys) -> None:
    if words[0] == "check":
        return solve(words[1])
    if words[0] == "parts" or "mine" in words:
        solve("rms_norm", "swiglu")
    if words[0] == "quiz":
        answers = tmp_path / "answers.json"
        answers.write_text(json.dumps(right_answers(words[1])), encoding="utf-8")
        words = (*words, "--answers", str(answers))
    assert cli.main(list(words)) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("command", [command for command in PRINTED if not command.startswith("fledge ")])
def test_a_printed_script_runs(command) -> None:
    """As it is typed after `cd`: the folder is that of the page's own topic."""
    words = shlex.split(command)
    assert words[0] == "python"
    (script,) = ROOT.glob(f"modules/*/*/experiments/{Path(words[1]).name}")
    done = subprocess.run(
        [sys.executable, *words[1:], *SMALL["lab"]], cwd=script.parent, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr


# The deep path, and the READMEs

FEW = {  # how their commands are made small
    r"fledge world write": "--size tiny --train-bytes 300000 --val-bytes 20000 --conversations 600 --probes 4",
    r"fledge quickstart": "--size tiny",
    r"fledge train .*--budget": "--budget 6s",
    r"fledge train .*--epochs": "--epochs 0.02 --set num_hidden_layers=1",
    r"fledge train sft .*--run my-chat$": "--steps 4",
    r"fledge train .*--steps": "--steps 4",
    r"fledge eval .*--answers": "--world tiny --per-family 2",
    r"python eval_llm": "--hidden_size 32 --max_new_tokens 8",
    r"python (trainer/)?train_.*from_resume": "--hidden_size 32",
    r"python (trainer/)?train_": "--hidden_size 32 --num_hidden_layers 1 --max_steps 4",
}
FINDS_FAULT = ("fledge runs check",)  # 1 says that a run is not normal, as one of six seconds is not
CHAT = {"conversations": [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "A model."}]}


def few(command: str) -> list[str]:
    return next((flags.split() for pattern, flags in FEW.items() if re.match(pattern, command)), [])


def typed(step: Step) -> list[str]:
    """The command of a step, or those that its text names."""
    return [step.command] if step.kind == "command" else re.findall(r"`((?:fledge|python) [^`]+)`", step.text.en)


def type_in(command: str, monkeypatch, clone: Path) -> None:
    """A fledge command in the working folder, a script in a fresh clone; a chat is told one sentence."""
    words = [*shlex.split(command, comments=True), *few(command)]
    monkeypatch.setattr("sys.stdin", io.StringIO("Hello\n"))
    if words[0] == "python":
        folder = clone if (clone / words[1]).exists() else clone / "trainer"
        assert subprocess.run([sys.executable, *words[1:]], cwd=folder, input="0\n", text=True).returncode == 0, command
    else:
        assert cli.main(words[1:]) <= int(command.startswith(FINDS_FAULT)), command


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with a book and conversations of one's own, where commands are typed."""
    monkeypatch.chdir(tmp_path)
    for name in ("my_book.txt", "other_book.txt"):
        (tmp_path / name).write_text("\n\n".join(read(page) for _, page in PAGES), encoding="utf-8")
    (tmp_path / "my_chats.jsonl").write_text(f"{json.dumps(CHAT)}\n" * 30, encoding="utf-8")
    return tmp_path


def test_the_deep_path_runs_to_its_end(clone, desk, monkeypatch) -> None:
    """Every command in its order; what one leaves behind is found as the evidence of its step."""
    solve("rms_norm", "swiglu", "lr_at")
    steps = [step for step in find_path("deep").steps if step.kind in ("command", "done")]
    assert len([command for step in steps for command in typed(step)]) > 25
    for step in steps:
        for command in typed(step):
            type_in(command, monkeypatch, clone)
        if step.kind == "command":
            with open_progress() as progress:
                assert gather(progress, find_workspace()).of(step), f"nothing shows that `{step.command}` was done"


ELSEWHERE = (
    "cd ",
    "python start.py",
    "fledge data get pretrain",
    "fledge quiz",
    "fledge check",
)  # test_start, data, above


def test_the_readme_runs(clone, desk, monkeypatch) -> None:
    """Every command of the README in its order, after the quickstart that it begins with."""
    (desk / "dataset").mkdir()
    shutil.copy(desk / "my_chats.jsonl", desk / "dataset" / "pretrain_t2t_mini.jsonl")
    printed = [
        command for command in dict.fromkeys(readme_commands(TEXTS["README.md"])) if not command.startswith(ELSEWHERE)
    ]
    assert len(printed) > 30
    for command in dict.fromkeys(["fledge quickstart --size tiny", *printed]):
        type_in(command, monkeypatch, clone)
