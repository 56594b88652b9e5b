"""`fledge train JOB`: one verb for every training stage."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated, Any

import tyro

from fledge.cli import flags
from fledge.errors import UserError, suggest
from fledge.train.config import JOB_DEFAULTS, TrainConfig, job_config


@dataclasses.dataclass
class Flags(TrainConfig):
    """Train a model. Every setting is a flag; --recipe reads them from a YAML file first."""

    set: Annotated[list[str], tyro.conf.arg(metavar="KEY=VALUE …")] = dataclasses.field(default_factory=list)  # type: ignore[assignment]
    """Changes to the model's shape by Hugging Face field name, e.g. num_hidden_layers=6."""
    recipe: str | None = None
    """YAML file of settings; flags win over it."""
    json: bool = False
    """Print the result as one JSON line at the end."""


def main(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(
            "usage: fledge train JOB [flags]\n\n  pretrain  next-token prediction on text\n  sft       fine-tuning on conversations"
        )
        print("\n`fledge train JOB --help` lists the flags and their defaults.")
        return 0
    job, *rest = argv
    if job not in JOB_DEFAULTS:
        raise UserError(
            f"There is no training job '{job}'; the jobs are {', '.join(JOB_DEFAULTS)}.{suggest(job, JOB_DEFAULTS)}"
        )
    settings = _recipe(rest)
    shape = settings.pop("set", {})
    defaults = Flags(
        **dataclasses.asdict(job_config(job, **settings)) | {"set": [f"{k}={v}" for k, v in shape.items()]}
    )
    chosen = flags.parse(Flags, rest, f"fledge train {job}", default=defaults)
    fields = {f.name: getattr(chosen, f.name) for f in dataclasses.fields(TrainConfig)}
    config = TrainConfig(**fields | {"set": dict(_pair(word) for word in chosen.set)})
    config.check()
    from fledge.api import train

    try:
        run = train(job, **dataclasses.asdict(config))
    except KeyboardInterrupt:
        words = [word for word in rest if word != "--resume"]
        print(f"\nstopped and saved. To go on: fledge train {job} {' '.join(words)} --resume", file=sys.stderr)
        if not config.run:
            print("(give --run with the name of the run shown above)", file=sys.stderr)
        return 130
    if chosen.json:
        print(json.dumps({"run": run.name, "model": run.model_dir.as_posix(), **run.info["results"]}))
    else:
        print(
            f"model: {run.model_dir.as_posix()}\ntalk to it: fledge {'chat' if job != 'pretrain' else 'generate'} {run.name}"
        )
    return 0


def _recipe(argv: list[str]) -> dict[str, Any]:
    """Settings of the YAML file that --recipe names."""
    for i, word in enumerate(argv):
        if word == "--recipe" or word.startswith("--recipe="):
            name = word.partition("=")[2] or (argv[i + 1] if i + 1 < len(argv) else "")
            import yaml

            try:
                with open(name, encoding="utf-8") as file:
                    data = yaml.safe_load(file)
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise UserError(f"the recipe '{name}' cannot be read: {str(error).splitlines()[0]}.") from None
            if not isinstance(data, dict):
                raise UserError(f"the recipe '{name}' is not a list of `setting: value` lines.")
            return {str(key).replace("-", "_"): value for key, value in data.items()}
    return {}


def _pair(word: str) -> tuple[str, Any]:
    """key=value, the value read as YAML (numbers, true/false, {…})."""
    key, equals, value = word.partition("=")
    if not equals:
        raise UserError(f"--set takes key=value, not '{word}'.")
    import yaml

    return key, yaml.safe_load(value)
