"""The learning plans in ../shared/seeds: every shell command in them has a place, and those of our scripts run as written.

Settings are made small by arguments that are added at the end; a typed argument wins over an earlier one.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from fledge.course.book import find_topic
from fledge.proofs import rotating
from tests.cheap import run_script
from tests.conftest import ROOT

SEEDS = ROOT.parent / "shared" / "seeds"
COMMAND = re.compile(r"\s*(cd|git|source|python|pip|bash|\.\\)[ \w.]")
NAMED = {  # how a plan names the folder that the next commands are typed in
    r"在 `trainer/` 目录|进入 `trainer` 目录": "trainer",
    r"在项目根目录|回到项目根目录": ".",
}
KINDS = {  # what a command belongs to -> the commands
    "moves": r"cd [\w./-]+",
    "environment": r"git clone .*|python -m venv \.venv|source venv/bin/activate|\.\\\.venv\\Scripts\\.*|pip install -U pip",
    "requirements": r"pip install -r requirements\.txt -i \S+",
    "check": r"python -c \"import torch; .*\"",
    "runs": r"python (train_pretrain|train_full_sft|train_lora|eval_llm|scripts/train_tokenizer)\.py.*",
    "book": r"python (exp\d_\w+|datasets)\.py.*|bash run_all\.sh",
}
TRAIN = ["--hidden_size", "32", "--num_hidden_layers", "1", "--max_steps", "2", "--save_interval", "1"]
IN_TURN = 2  # experiments of the book that run in full, others every day
SMALL = {
    "train_pretrain.py": TRAIN,
    "train_full_sft.py": TRAIN,
    "train_lora.py": TRAIN,
    "eval_llm.py": ["--hidden_size", "32", "--max_new_tokens", "8"],
    "scripts/train_tokenizer.py": [],
}


@dataclass(frozen=True)
class Command:
    plan: str
    folder: str
    """as the plan has it at that place, counted from the root"""
    text: str

    @property
    def kind(self) -> str:
        kinds = [kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, self.text)]
        assert len(kinds) == 1, f"{self.plan}: `{self.text}` belongs to {kinds or 'nothing'}"
        return kinds[0]


def commands(plan: Path) -> list[Command]:
    """The commands of a plan in order: of fenced blocks, and of blocks that a lone line `bash` opens."""
    lines = plan.read_text(encoding="utf-8").splitlines()
    found: list[Command] = []
    folder, inside, fenced, pending = ".", False, False, ""
    for line in lines:
        text = line.strip()
        if text.startswith("```"):
            inside = fenced = text == "```bash"
            continue
        if text == "bash":
            inside, fenced = True, False
            continue
        if not inside:
            folder = next((where for words, where in NAMED.items() if re.search(words, line)), folder)
            continue
        if not pending and text and not text.startswith("#") and not COMMAND.match(line):
            if fenced:
                raise AssertionError(f"{plan.name}: what is `{text}`?")
            inside = False
            continue
        if not text or text.startswith("#"):
            continue
        pending += text.removesuffix("\\")
        if text.endswith("\\"):
            continue
        found.append(Command(plan.name, folder, " ".join(pending.split()) if "-c" not in pending else pending))
        if pending.startswith("cd ") and not pending.startswith("cd minimind"):  # the clone's own folder is our root
            folder = os.path.normpath(os.path.join(folder, pending[3:]))
        pending = ""
    return found


def plans() -> list[Path]:
    if not SEEDS.is_dir():
        pytest.skip("no ../shared/seeds beside this checkout: the learning plans are not shipped with the project")
    return sorted(SEEDS.glob("*.txt"))


def test_every_command_is_found_and_has_one_place() -> None:
    for plan in plans():
        found = commands(plan)
        written = [line for line in plan.read_text(encoding="utf-8").splitlines() if COMMAND.match(line)]
        assert len(found) == len(written), (plan.name, len(found), written)
        for command, line in zip(found, written):
            assert command.text.startswith(line.strip().removesuffix("\\").strip()), (command, line)
    kinds = {command.kind for plan in plans() for command in commands(plan)}
    assert kinds == set(KINDS)


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """What a fresh clone holds of the scripts; nothing downloaded, nothing trained."""
    root = tmp_path_factory.mktemp("clone")
    for name in ("trainer", "scripts", "dataset", "model"):
        ignored = shutil.ignore_patterns("*.jsonl", "practice.json", "tokenizer*", "chat_template.jinja", "__pycache__")
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for name in ("eval_llm.py", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    return root


def run(command: Command, clone: Path, *more: str) -> int:
    words = shlex.split(command.text)
    assert words[0] == "python"
    if words[1] == "-c":
        exec(words[2], {})
        return 0
    script = words[1]
    folder = clone / command.folder
    if not (folder / script).exists():  # the plan names no folder here: where the script is
        folder = next(path.parent for path in sorted(clone.rglob(Path(script).name)) if str(path).endswith(script))
        folder = folder.parent if "/" in script else folder
    return run_script(folder / script, *words[2:], *more, folder=folder)


def cut_off(clone: Path, script: str) -> None:
    """As after a power cut in the second step of the newest run of a script: its last checkpoint is of step 1."""
    name = script.removeprefix("train_").removesuffix(".py")
    newest = max((clone / "runs").glob(f"minimind-{name}_32*"), key=lambda path: path.stat().st_mtime)
    shutil.rmtree(newest / "checkpoints/step-2")
    info = json.loads((newest / "run.json").read_text(encoding="utf-8"))
    (newest / "run.json").write_text(json.dumps(info | {"status": "running"}), encoding="utf-8")


@pytest.mark.slow
def test_a_fresh_clone_obeys(clone, monkeypatch, capsys) -> None:
    """Tokenizer, pretraining, SFT, evaluation and resuming, plan after plan in one clone, from the folders that they name.

    In this process; that the scripts are programs of their own: tests/interop/test_minimind_doors.py."""
    monkeypatch.setenv("FLEDGE_RUNS", str(clone / "runs"))
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    ran = []
    for plan in sorted(plans(), key=lambda plan: "002" not in plan.name):  # the one that begins with the tokenizer
        for command in commands(plan):
            if command.kind not in ("runs", "check"):
                continue
            script = shlex.split(command.text)[1]
            resumes = "from_resume" in command.text
            if resumes:
                cut_off(clone, script)
            code = run(command, clone, *(["--hidden_size", "32"] if resumes else SMALL.get(script, [])))
            said = "".join(capsys.readouterr())
            assert code == 0, (command, said)
            if resumes:
                assert "从第 1 步之后接着训练" in said
            if command.kind == "check":
                assert said.split()[0] in ("True", "False")
            ran.append(script)
    assert ran.count("train_pretrain.py") == 4 and ran.count("train_full_sft.py") == 4 and ran.count("eval_llm.py") == 2
    assert {"pretrain_32.pth", "full_sft_32.pth"} <= {path.name for path in (clone / "out").iterdir()}
    assert (clone / "out/lora/lora_identity_32.pth").is_file()
    assert (clone / "checkpoints/full_sft_32_resume.pth").is_file()


def test_requirements_install_this_project_and_name_nothing_else() -> None:
    lines = [
        line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    ]
    assert [line for line in lines if line] == ["-e ."]
    assert 'name = "fledge-llm"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def book_commands() -> dict[str, Path]:
    """Command -> the folder that it is typed in, once for each."""
    found: dict[str, Path] = {}
    for command in (command for plan in plans() for command in commands(plan) if command.kind == "book"):
        folder = ROOT / command.folder
        if not folder.is_dir():  # a new list of steps begins at the root again: what counts is the topic named last
            folder = find_topic(re.findall(r"\d\d-[a-z-]+", command.folder)[-1]).path / "experiments"
        found.setdefault(command.text, folder)
    return found


@pytest.mark.slow
def test_the_book_as_the_plans_type_it(monkeypatch, capsys, pytestconfig) -> None:
    """The experiments run from the folder that the plan is in; only their size is made small.

    One that is not in its turn starts and reads its flags, and so does a whole topic (but with --all): what labs compute
    is proven by tests/lab/test_book.py."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    typed = book_commands()
    assert len(typed) == 10
    labs = [text for text in typed if "--download-all" not in text]
    scripts = [text for text in labs if text.startswith("python ")]
    chosen = labs if pytestconfig.getoption("--all") else rotating(scripts, IN_TURN)
    for text in labs:
        words = [*shlex.split(text), "--quick" if text in chosen else "--help"]
        if words[0] == "bash":
            if shutil.which("bash"):
                done = subprocess.run(words, cwd=typed[text], stdin=subprocess.DEVNULL, capture_output=True)
                assert done.returncode == 0, (text, done.stderr)
        else:
            assert run_script(typed[text] / words[1], *words[2:], folder=typed[text]) == 0, text
            assert ("成立" if text in chosen else "--quick") in capsys.readouterr().out


@pytest.mark.slow
def test_the_plan_s_download_is_optional(monkeypatch, capsys) -> None:
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    monkeypatch.setenv("FLEDGE_DATA_MIRROR", "http://127.0.0.1:9")  # nobody listens there
    ((text, folder),) = [(text, folder) for text, folder in book_commands().items() if "--download-all" in text]
    assert run_script(folder / shlex.split(text)[1], *shlex.split(text)[2:], folder=folder) == 1
    assert "No lab of the book needs them" in "".join(capsys.readouterr())
    assert (folder / "data" / "world" / "world.json").is_file()
