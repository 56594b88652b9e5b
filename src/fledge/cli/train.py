"""`fledge train JOB`: one verb for every training stage."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from typing import Annotated, Any, TypeVar

import tyro

from fledge.cli import flags
from fledge.errors import UserError, suggest
from fledge.lang import say
from fledge.training.config import JOB_DEFAULTS, TrainConfig, job_config

LENGTHS = {"steps", "epochs", "budget"}


@dataclasses.dataclass
class Flags(TrainConfig):
    """Train a model. Every setting is a flag; --recipe reads them from a YAML file first."""

    set: Annotated[list[str], tyro.conf.arg(metavar="KEY=VALUE …")] = dataclasses.field(default_factory=list)  # type: ignore[assignment]
    """Changes to the model's shape by Hugging Face field name, e.g. num_hidden_layers=6."""
    recipe: str | None = None
    """YAML file of settings; flags win over it."""
    json: bool = False
    """Print the result as one JSON line, and the progress on stderr."""


AnyFlags = TypeVar("AnyFlags", bound=Flags)


def main(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(
            say(
                "用法：fledge train JOB [参数]\n\n  pretrain  在文本上预训练（预测下一个词元）\n  sft       在对话上微调\n\n"
                "`fledge train JOB --help` 列出所有参数和默认值。",
                "usage: fledge train JOB [flags]\n\n  pretrain  next-token prediction on text\n"
                "  sft       fine-tuning on conversations\n\n`fledge train JOB --help` lists the flags and their defaults.",
            )
        )
        return 0
    job, *rest = argv
    chosen, settings = requested(job, rest, Flags, f"fledge train {job}")
    from fledge.api import train

    try:
        # with --json the report is all that stands on stdout
        with contextlib.redirect_stdout(sys.stderr) if chosen.json else contextlib.nullcontext():
            run = train(job, **settings)
    except KeyboardInterrupt as stop:
        if not stop.args:  # before the first step: there is nothing to go on with
            raise
        again = f"fledge train {job} --run {stop.args[0]} --resume"
        print(f"\n{stopped(stop)}{say('接着练：', ' To go on: ')}{again}", file=sys.stderr)
        return 130
    if chosen.json:
        print(json.dumps({"run": run.name, "model": run.model_dir.as_posix(), **run.info["results"]}))
    else:
        use = (
            say("让它写一段：", "let it write: ") + f'fledge generate {run.name} "…"'
            if job == "pretrain"
            else say("和它聊天：", "talk to it: ") + f"fledge chat {run.name}"
        )
        print(f"{say('模型：', 'model: ')}{run.model_dir.as_posix()}\n{use}")
    return 0


def requested(job: str, argv: list[str], kind: type[AnyFlags], program: str) -> tuple[AnyFlags, dict[str, Any]]:
    """The parsed flags, and the settings that the user asked for: of --recipe, of the run to resume, and the flags typed."""
    if job not in JOB_DEFAULTS:
        near = suggest(job, JOB_DEFAULTS)
        raise UserError(
            say(
                f"没有 '{job}' 这种训练，可用的有 {'、'.join(JOB_DEFAULTS)}。{near}",
                f"There is no training job '{job}'; the jobs are {', '.join(JOB_DEFAULTS)}.{near}",
            )
        )
    settings = _beneath(argv)
    defaults = dataclasses.asdict(job_config(job, **settings))
    chosen = flags.parse(kind, argv, program, default=kind(**defaults | {"set": []}))
    given = _typed(argv)
    if given & LENGTHS:  # they exclude each other: a flag replaces whichever stands beneath
        settings = {name: value for name, value in settings.items() if name not in LENGTHS}
    settings |= {name: getattr(chosen, name) for name in given}
    if chosen.set:
        settings["set"] = defaults["set"] | dict(_pair(word) for word in chosen.set)
    job_config(job, **settings).check()
    return chosen, settings


def stopped(stop: KeyboardInterrupt) -> str:
    """What an interruption left: a second Ctrl-C in the middle of a step leaves only the checkpoint before it."""
    if stop.args[1]:
        return say("已停止并保存。", "stopped and saved.")
    return say("停在一步的中间，这一步没有保存。", "stopped in the middle of a step, which is lost.")


def _typed(argv: list[str]) -> set[str]:
    """The settings whose flags stand in `argv`."""
    words = {word.partition("=")[0].removeprefix("--").replace("-", "_") for word in argv if word.startswith("--")}
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    return {name for name in names if name in words or f"no_{name}" in words}


def _beneath(argv: list[str]) -> dict[str, Any]:
    """The settings that the flags change: those of --recipe, or with --resume those of the run itself."""
    settings: dict[str, Any] = {}
    if (name := _value_of("--recipe", argv)) is not None:
        settings = _recipe(name)
    if (optimizer := _value_of("--optimizer", argv)) is not None:
        settings["optimizer"] = optimizer  # its rate is another one
    if "--resume" in argv and (run := _value_of("--run", argv)):
        settings |= {"resume": True, "run": run}
    return settings


def _value_of(flag: str, argv: list[str]) -> str | None:
    """The value that follows a flag; None when the flag is not there."""
    for i, word in enumerate(argv):
        if word == flag or word.startswith(f"{flag}="):
            return word.partition("=")[2] or (argv[i + 1] if i + 1 < len(argv) else "")
    return None


def _recipe(name: str) -> dict[str, Any]:
    """Settings of a YAML file."""
    import yaml

    try:
        with open(name, encoding="utf-8") as file:
            data = yaml.safe_load(file)
    except OSError as error:
        raise UserError(
            say(
                f"配方文件 '{name}' 读不了：{error.strerror}。",
                f"the recipe '{name}' cannot be read: {error.strerror}.",
            )
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = say(f"（第 {mark.line + 1} 行）", f" (line {mark.line + 1})") if mark else ""
        raise UserError(
            say(
                f"配方文件 '{name}' 不是正确的 YAML{where}：请每行写一个 `设置: 值`。",
                f"the recipe '{name}' is not valid YAML{where}: write one `setting: value` a line.",
            )
        ) from None
    if not isinstance(data, dict):
        raise UserError(
            say(
                f"配方文件 '{name}' 里不是一行行的 `设置: 值`。",
                f"the recipe '{name}' is not a list of `setting: value` lines.",
            )
        )
    return {str(key).replace("-", "_"): value for key, value in data.items()}


def _pair(word: str) -> tuple[str, Any]:
    """key=value, the value read as YAML (numbers, true/false, {…})."""
    key, equals, value = word.partition("=")
    if not equals:
        raise UserError(say(f"--set 要写成 key=value，不能是 '{word}'。", f"--set takes key=value, not '{word}'."))
    import yaml

    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(
            say(f"--set {key} 的值读不懂：'{value}'。", f"--set {key} has a value that cannot be read: '{value}'.")
        ) from None
