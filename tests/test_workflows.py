"""What cannot run here is at least understood: workflows, hooks, templates and the citation name what exists."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
from typing import Any

import pytest
import yaml

import fledge
from fledge import cli
from tests import test_docs as docs
from tests.conftest import ROOT
from tests.test_docs import TEXTS, commands, only_parse

__all__ = ["only_parse"]

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOW = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS}
JOBS = [(name, job) for name, workflow in WORKFLOW.items() for job in workflow["jobs"]]
SYSTEMS = {"ubuntu-latest", "windows-latest", "macos-latest"}
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def steps(workflow: str, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = WORKFLOW[workflow]["jobs"][job]["steps"]
    return found


def typed(step: dict[str, Any]) -> list[str]:
    """The commands of a step; what is handed to one through a pipe is left out."""
    return [line.rpartition(" | ")[2] for line in step.get("run", "").splitlines() if line.strip()]


TYPED = [
    (step.get("working-directory", "."), command) for job in JOBS for step in steps(*job) for command in typed(step)
]


@pytest.mark.parametrize(("folder", "command"), list(dict.fromkeys(TYPED)))
def test_every_command_exists(folder: str, command: str, only_parse, capsys, tmp_path, monkeypatch) -> None:
    words = shlex.split(command)
    program = words[0].rpartition("/")[2]
    if program == "python" and words[1] == "-c":
        compile(words[2], "a workflow", "exec")
    elif program == "python" and words[1] == "-m":
        assert importlib.util.find_spec(words[2]), command
    elif program == "python" and words[1] == "start.py" and words[2] == "test":
        assert all((ROOT / word).exists() for word in words[3:] if word.startswith("tests/"))
    else:
        assert program in ("fledge", "python"), command
        if program == "python":
            assert (ROOT / folder / words[1]).is_file()
        for name in ("my_book.txt", "my_chats.jsonl"):
            (tmp_path / name).write_text("A dark night.\n", encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        docs.test_command_is_understood(command, only_parse, capsys)


def test_every_promised_python_and_system_is_tried() -> None:
    matrix = WORKFLOW["tests"]["jobs"]["readme"]["strategy"]["matrix"]
    assert set(matrix["os"]) == SYSTEMS and matrix["python"] == PYTHONS
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r"Python :: (3\.\d+)", project) == PYTHONS
    assert f'requires-python = ">={PYTHONS[0]}"' in project


def test_the_commands_of_the_readme_are_typed() -> None:
    """Set-up, quickstart, and everything that trains; behind what the README says a flag may make it short."""
    said = {command for _, command in TYPED}
    wanted = ['python start.py test -m "not slow"', "fledge quickstart --size tiny"]
    trains = (
        "fledge train pretrain --data my_book.txt --budget",
        "fledge train sft",
        "python train_",
        "python eval_llm",
    )
    wanted += [command for command in commands(TEXTS["README.md"]) if command.startswith(trains)]
    assert len(wanted) >= 8
    assert [command for command in wanted if not any(line.startswith(command) for line in said)] == []


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_workflows_take_no_risk(workflow: str, job: str) -> None:
    """No rights that are not needed, no credentials left lying, actions by the hash of their commit, a time limit."""
    settings = WORKFLOW[workflow]["jobs"][job]
    assert WORKFLOW[workflow]["permissions"] == {} and settings["permissions"] == {"contents": "read"}
    assert settings["timeout-minutes"] <= 120
    used = [step for step in steps(workflow, job) if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"]) for step in used)
    assert all(step["with"]["persist-credentials"] is False for step in used if "checkout" in step["uses"])
    assert not any("${{" in step.get("run", "") for step in steps(workflow, job))  # nobody's words become commands


def test_hooks_call_tools_that_are_there() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [repo["repo"] for repo in config["repos"]] == ["local"]  # nothing is fetched from elsewhere
    assert {hook["entry"].split()[:3][-1] for hook in hooks} == {"ruff", "mypy"}
    for hook in hooks:
        assert hook["entry"].startswith("python -m ") and importlib.util.find_spec(hook["entry"].split()[2])


FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[0-9]-*.yml"))


def test_forms_come_in_both_languages_and_ask_the_same() -> None:
    read = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FORMS}
    english = [name for name in read if ".zh-CN" not in name]
    assert len(english) == 3 and len(read) == 6
    for name in english:
        pair = read[name], read[name.replace(".yml", ".zh-CN.yml")]
        asked = [
            [
                (item["type"], item["id"], item.get("validations"), len(item["attributes"].get("options", [])))
                for item in form["body"]
            ]
            for form in pair
        ]
        assert asked[0] == asked[1] and pair[0]["labels"] == pair[1]["labels"]
        text = "\n".join(path.read_text(encoding="utf-8") for path in FORMS)
    for verb in re.findall(r"`fledge (\w+)", text):
        assert verb in cli.VERBS


@pytest.mark.parametrize("name", ["CODE_OF_CONDUCT", "SECURITY", "CONTRIBUTING"])
def test_both_languages_have_the_same_parts(name: str) -> None:
    english, chinese = ((ROOT / f"{name}{lang}.md").read_text(encoding="utf-8").splitlines() for lang in ("", ".zh-CN"))

    def shape(lines: list[str]) -> list[str]:
        marks = [re.match(r"(#+ |- |\d\. |```|\*\*)", line) for line in lines]
        return [mark[1] for mark in marks if mark]

    assert shape(english) == shape(chinese)


# One version


def test_one_version_everywhere() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", changes, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert headings[1].startswith(f"[{fledge.__version__}] - ")
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])
    kinds = set(re.findall(r"^### (.+)$", changes, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (fledge.__version__, "Apache-2.0")


def test_nothing_that_is_kept_says_todo() -> None:
    """A skeleton that nobody has filled in stays at home."""
    folders = (ROOT / "src", ROOT / "modules")
    files = itertools.chain(*(folder.rglob("*") for folder in folders))
    kept = [path for path in files if path.suffix in (".py", ".yaml", ".md") and "__pycache__" not in path.parts]
    marked = re.compile(r"\bTODO\b[:：]")
    assert [path.as_posix() for path in kept if marked.search(path.read_text(encoding="utf-8"))] == []
