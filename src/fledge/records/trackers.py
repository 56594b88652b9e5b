"""Where metrics go besides metrics.jsonl: TensorBoard (`tensorboard: true`), W&B or SwanLab (`track: wandb`)."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from fledge.errors import UserError, suggest
from fledge.lang import _

if TYPE_CHECKING:
    from fledge.records.run import Run


def require(config: dict[str, Any]) -> None:
    """UserError, before any work is done, when `config` asks for a tracker that is unknown or not installed."""
    track = config.get("track")
    if track and track not in TRACKERS:
        near = suggest(track, ["wandb", "swanlab"])
        raise UserError(_("tracker '{track}' is unknown: use wandb or swanlab.{near}").format(track=track, near=near))
    for name in wanted(config):
        if importlib.util.find_spec(name) is None:
            raise UserError(
                _("{name} is not installed: run `pip install {name}`, or do not ask for it.").format(name=name)
            )


def start(run: Run) -> list[Any]:
    """The trackers that the run's config asks for, each with `log(fields)` and `close()`."""
    require(run.info["config"])
    return [TRACKERS[name](run) for name in wanted(run.info["config"])]


def wanted(config: dict[str, Any]) -> list[str]:
    return [
        name for name in ("tensorboard", config.get("track")) if name and (name != "tensorboard" or config.get(name))
    ]


def scalars(fields: dict[str, Any]) -> dict[str, float]:
    """The numbers among `fields`, a nested dict's under `name/key`."""
    flat: dict[str, float] = {}
    for key, value in fields.items():
        if isinstance(value, dict):
            flat |= {f"{key}/{inner}": number for inner, number in scalars(value).items()}
        elif isinstance(value, (int, float)) and key != "step":
            flat[key] = value
    return flat


def _project(run: Run) -> str:
    return run.info["config"].get("track_project", "fledge")


class TensorBoard:
    def __init__(self, run: Run) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(run.path / "tensorboard"))

    def log(self, fields: dict[str, Any]) -> None:
        for key, value in scalars(fields).items():
            self.writer.add_scalar(key, value, fields.get("step"))

    def close(self) -> None:
        self.writer.close()


class Wandb:
    def __init__(self, run: Run) -> None:
        import wandb

        self.run = wandb.init(
            project=_project(run),
            id=run.name,
            name=run.name,
            dir=str(run.path),
            config=run.info["config"],
            resume="allow",
        )

    def log(self, fields: dict[str, Any]) -> None:
        self.run.log(scalars(fields), step=fields.get("step"))

    def close(self) -> None:
        self.run.finish()


class SwanLab:
    def __init__(self, run: Run) -> None:
        import swanlab

        self.module = swanlab
        swanlab.init(
            project=_project(run),
            experiment_name=run.name,
            logdir=str(run.path / "swanlab"),
            config=run.info["config"],
        )

    def log(self, fields: dict[str, Any]) -> None:
        self.module.log(scalars(fields), step=fields.get("step"))

    def close(self) -> None:
        self.module.finish()


TRACKERS: dict[str, type] = {"tensorboard": TensorBoard, "wandb": Wandb, "swanlab": SwanLab}
