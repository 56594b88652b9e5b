"""`fledge train JOB`: one verb for every training stage."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex
import sys
from typing import Any, TypeVar

from fledge.cli import flags
from fledge.errors import UserError
from fledge.jobs import JOBS, find_job
from fledge.jobs.settings import job_config
from fledge.lang import say
from fledge.training.config import LENGTHS


@dataclasses.dataclass
class Extra:
    """Beside the settings of the job."""

    recipe: str | None = None
    """YAML file of settings; flags win over it."""
    json: bool = False
    """Print the result as one JSON line, and the progress on stderr."""


AnyExtra = TypeVar("AnyExtra", bound=Extra)


def main(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        width, abouts = max(map(len, JOBS)), {name: find_job(name).about for name in JOBS}
        jobs = "\n".join(f"  {name:<{width}}  {about}" for name, about in abouts.items())
        print(
            say(
                f"用法：fledge train JOB [参数]\n\n{jobs}\n\n`fledge train JOB --help` 列出所有参数和默认值。",
                f"usage: fledge train JOB [flags]\n\n{jobs}\n\n`fledge train JOB --help` lists the flags and their defaults.",
            )
        )
        return 0
    job, *rest = argv
    chosen, settings = requested(job, rest, Extra, f"fledge train {job}")
    from fledge.api import train

    try:
        # with --json the report is all that stands on stdout
        with contextlib.redirect_stdout(sys.stderr) if chosen.json else contextlib.nullcontext():
            run = train(job, **settings)
    except KeyboardInterrupt as stop:
        if not stop.args:  # before the first step: there is nothing to go on with
            raise
        again = f"fledge train {job} --run {shlex.quote(stop.args[0])} --resume"
        print(f"\n{stopped(stop)}{say('接着练：', ' To go on: ')}{again}", file=sys.stderr)
        return 130
    if chosen.json:
        print(json.dumps({"run": run.name, "model": run.model_dir.as_posix(), **run.info["results"]}))
    else:
        use = say("试一试：", "try it: ") + find_job(job).next_command.format(run=shlex.quote(run.name))
        print(f"{say('模型：', 'model: ')}{run.model_dir.as_posix()}\n{use}")
    return 0


def requested(job: str, argv: list[str], kind: type[AnyExtra], program: str) -> tuple[AnyExtra, dict[str, Any]]:
    """The flags beside the settings, and the settings that the user asked for: of --recipe, and above them the flags typed."""
    config = find_job(job).config
    given = flags.typed([config, kind], argv, program)
    known = {field.name for field in dataclasses.fields(config)}
    extra = kind(**{name: value for name, value in given.items() if name not in known})
    own = {name: value for name, value in given.items() if name in known}
    settings = _recipe(extra.recipe) if extra.recipe is not None else {}
    if set(own) & set(LENGTHS):  # they exclude each other: a flag replaces whichever stands in the recipe
        settings = {name: value for name, value in settings.items() if name not in LENGTHS}
    if "set" in own:
        own["set"] = (settings.get("set") or {}) | own["set"]
    settings |= own
    job_config(job, **settings).check()
    return extra, settings


def stopped(stop: KeyboardInterrupt) -> str:
    """What an interruption left: a second Ctrl-C in the middle of a step leaves only the checkpoint before it."""
    if stop.args[1]:
        return say("已停止并保存。", "stopped and saved.")
    return say("停在一步的中间，这一步没有保存。", "stopped in the middle of a step, which is lost.")


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
