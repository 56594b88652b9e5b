"""What the README, the book and the deep path print runs as it is typed; what takes long is made small by flags at the end."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
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
from fledge.lab import script
from fledge.proofs import rotating
from tests.book.test_pages import PAGES, commands, read
from tests.cheap import little_quickstart, run_script
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
IN_TURN = 2  # labs that run, others every day: what each computes is proven by tests/lab/test_book.py


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


COMMANDS = list(dict.fromkeys(small(line) for line in PRINTED if line.startswith("fledge ")))
LABS = [words for words in COMMANDS if words[:2] == ("lab", "run")]
SCRIPTS = [command for command in PRINTED if not command.startswith("fledge ")]


@pytest.fixture(autouse=True)
def cheap(monkeypatch) -> None:
    """What a quickstart learns is tests/cli/test_quickstart.py's."""
    little_quickstart(monkeypatch)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in LABS], ids=" ".join)
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


@pytest.fixture
def in_turn(pytestconfig, monkeypatch):
    """in_turn(one, all): whether it is its turn to run; the labs of the others read their flags, and no more."""

    def choose(one, every: list) -> bool:
        chosen = pytestconfig.getoption("--all") or one in rotating(every, IN_TURN)
        if not chosen:
            monkeypatch.setattr(script, "run", lambda lab, argv: script.settings_of(lab, script.parse(lab, argv)))
        return chosen

    return choose


@pytest.mark.parametrize("words", LABS, ids=" ".join)
def test_a_printed_lab_runs(words, in_turn, capsys) -> None:
    chosen = in_turn(words, LABS)
    assert cli.main(list(words)) == 0
    assert capsys.readouterr().out.strip() or not chosen


@pytest.mark.parametrize("command", SCRIPTS)
def test_a_printed_script_runs(command, in_turn, capsys) -> None:
    """As it is typed after `cd`: the folder is that of the page's own topic."""
    words = shlex.split(command)
    assert words[0] == "python"
    (path,) = ROOT.glob(f"modules/*/*/experiments/{Path(words[1]).name}")
    chosen = in_turn(command, SCRIPTS)
    assert run_script(path, *words[2:], *SMALL["lab"], folder=path.parent) == 0
    assert capsys.readouterr().out.strip() or not chosen


# The deep path, and the READMEs

FEW = {  # how their commands are made small
    r"fledge world write": "--size tiny --train-bytes 300000 --val-bytes 20000 --conversations 600 --probes 4",
    r"fledge quickstart": "--size tiny",
    r"fledge train .*--budget": "--budget 2s",
    r"fledge train .*--epochs": "--epochs 0.02 --set num_hidden_layers=1",
    r"fledge train sft .*--run my-chat$": "--steps 4",
    r"fledge train .*--steps": "--steps 4",
    r"fledge recipe run": "--steps 4",
    r"fledge eval .*--answers": "--world tiny --per-family 2",
    r"python eval_llm": "--hidden_size 32 --max_new_tokens 8",
    r"python (trainer/)?train_.*from_resume": "--hidden_size 32",
    r"python (trainer/)?train_": "--hidden_size 32 --num_hidden_layers 1 --max_steps 4",
}
FINDS_FAULT = ("fledge runs check",)  # 1 says that a run is not normal, as one of two seconds is not
CHAT = {"conversations": [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "A model."}]}


def few(command: str) -> list[str]:
    return next((flags.split() for pattern, flags in FEW.items() if re.match(pattern, command)), [])


def typed(step: Step) -> list[str]:
    """The command of a step, or those that its text names."""
    return [step.command] if step.kind == "command" else re.findall(r"`((?:fledge|python) [^`]+)`", step.text.en)


def type_in(command: str, monkeypatch, clone: Path) -> None:
    """A fledge command in the working folder, a script in a fresh clone; a chat is told one sentence."""
    words = [*shlex.split(command, comments=True), *few(command)]
    if words[0] == "python":
        folder = clone if (clone / words[1]).exists() else clone / "trainer"
        assert run_script(folder / words[1], *words[2:], folder=folder, stdin="0\n") == 0, command
    else:
        monkeypatch.setattr("sys.stdin", io.StringIO("Hello\n"))
        assert cli.main(words[1:]) <= int(command.startswith(FINDS_FAULT)), command


@pytest.fixture
def desk(tmp_path, monkeypatch, clone) -> Path:
    """A folder with a book and conversations of one's own, where commands are typed; the machine is measured once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLEDGE_CACHE", str(clone / "cache"))
    text = "\n\n".join(read(page) for _, page in PAGES)
    (tmp_path / "my_book.txt").write_text(text, encoding="utf-8")
    (tmp_path / "other_book.txt").write_text(text[:20_000], encoding="utf-8")
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
    "fledge get",
    "fledge synth",
    "fledge adapters merge",
)  # test_start, data, above, interop, synth, jobs


def test_the_readme_runs(clone, desk, monkeypatch) -> None:
    """Every command of the README in its order, after the quickstart that it begins with."""
    from tests.interop.gguf_files import random_model, trained, write_gguf  # skips where gguf is missing

    (desk / "dataset").mkdir()
    shutil.copy(desk / "my_chats.jsonl", desk / "dataset" / "pretrain_t2t_mini.jsonl")
    write_gguf(desk / "model.gguf", random_model(), trained())
    printed = [
        command for command in dict.fromkeys(readme_commands(TEXTS["README.md"])) if not command.startswith(ELSEWHERE)
    ]
    assert len(printed) > 30
    for command in dict.fromkeys(["fledge quickstart --size tiny", *printed]):
        type_in(command, monkeypatch, clone)
