"""`fledge train JOB`: one verb for every training stage."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from typing import Any, TypeVar

from fledge.cli import flags
from fledge.errors import UserError, quoted, resume_command
from fledge.jobs import JOBS, find_job
from fledge.jobs.settings import job_config
from fledge.lang import _
from fledge.training.config import LENGTHS


@dataclasses.dataclass
class JobFlags:
    """Beside the settings of the job."""

    recipe: str | None = None
    """YAML file of settings; flags win over it."""
    json: bool = False
    """Print the result as one JSON line, and the progress on stderr."""


AnyFlags = TypeVar("AnyFlags", bound=JobFlags)


def main(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        width, abouts = max(map(len, JOBS)), {name: find_job(name).about for name in JOBS}
        jobs = "\n".join(f"  {name:<{width}}  {about}" for name, about in abouts.items())
        print(
            _(
                "usage: fledge train JOB [flags]\n\n{jobs}\n\n`fledge train JOB --help` lists the flags and their defaults."
            ).format(jobs=jobs)
        )
        return 0
    job, *rest = argv
    chosen, settings = requested(job, rest, JobFlags, f"fledge train {job}")
    from fledge.api import train

    try:
        # with --json the report is all that stands on stdout
        with contextlib.redirect_stdout(sys.stderr) if chosen.json else contextlib.nullcontext():
            run = train(job, **settings)
    except KeyboardInterrupt as stop:
        if not stop.args:  # before the first step: there is nothing to go on with
            raise
        again = resume_command(job, stop.args[0])
        said = stopped(stop)
        print(_("\n{said} To go on: {again}").format(said=said, again=again), file=sys.stderr)
        return 130
    if chosen.json:
        print(json.dumps({"run": run.name, "model": run.model_dir.as_posix(), **run.info["results"]}))
    else:
        use = _("try it: {words}").format(words=find_job(job).next_command.format(run=quoted(run.name)))
        print(_("model: {model_dir}\n{use}").format(model_dir=run.model_dir.as_posix(), use=use))
    return 0


def requested(job: str, argv: list[str], kind: type[AnyFlags], program: str) -> tuple[AnyFlags, dict[str, Any]]:
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
        return _("stopped and saved.")
    return _("stopped in the middle of a step, which is lost.")


def _recipe(name: str) -> dict[str, Any]:
    """Settings of a YAML file."""
    import yaml

    try:
        with open(name, encoding="utf-8") as file:
            data = yaml.safe_load(file)
    except OSError as error:
        raise UserError(
            _("the recipe '{name}' cannot be read: {error}.").format(name=name, error=error.strerror)
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = _(" (line {line})").format(line=mark.line + 1) if mark else ""
        raise UserError(
            _("the recipe '{name}' is not valid YAML{where}: write one `setting: value` a line.").format(
                name=name, where=where
            )
        ) from None
    if not isinstance(data, dict):
        raise UserError(_("the recipe '{name}' is not a list of `setting: value` lines.").format(name=name))
    return {str(key).replace("-", "_"): value for key, value in data.items()}
