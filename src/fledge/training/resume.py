"""Save and load the state of a run: everything of it that a checkpoint holds, and what may differ when it goes on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fledge.errors import UserError, flag
from fledge.lang import _, commas
from fledge.training.checkpoint import load_checkpoint, random_state, save_checkpoint, set_random_state
from fledge.training.reserve import again

if TYPE_CHECKING:
    from fledge.training.loop import Fit


def save_state(fit: Fit, rows: dict[str, Any] | None = None) -> None:
    """Write a checkpoint of this moment; `rows` says where the rows were, when that is another one.

    Of the model it holds what is trained, and a hash of the frozen rest.
    """
    trained, frozen = _weights(fit)
    tensors = {f"model.{name}": parameter for name, parameter in trained.items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in fit.optimizer.state.items()}
    state = {
        "step": fit.step,
        "tokens": fit.tokens,
        "length": fit.length.describe(),
        "made_by": _maker(fit),
        "seconds": fit.clock.elapsed,
        "splits": fit.splits,
        "optimizer_steps": fit.optimizer.num_steps,
        "scaler": fit.scaler.state_dict(),
        "data": rows or fit.batches.state_dict(),
        "last_val": fit.journal.last_val,
        "frozen": digest(frozen),
    }
    save_checkpoint(fit.run.checkpoints_dir, fit.step, tensors | random_state(), state, fit.config.keep, again(fit.run))


def state_bytes(fit: Fit) -> int:
    """Size of a checkpoint's tensors."""
    tensors = [*_weights(fit)[0].values(), *fit.optimizer.state.values()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@torch.no_grad()
def load_state(fit: Fit) -> None:
    """Go back to the newest whole checkpoint of the run, or to its beginning when there is none."""
    found = load_checkpoint(fit.run.checkpoints_dir)
    name = fit.run.name
    if found is None:
        fit.journal.say(_("run '{name}' has no whole checkpoint: it begins again").format(name=name))
        fit.run.rewind(-1)
        fit.run.update(status="running", finished=None)
        return
    tensors, state = found
    _load_rows(fit, state)
    _load_weights(fit, tensors, state)
    set_random_state(tensors)
    fit.scaler.load_state_dict(state["scaler"])
    fit.step, fit.tokens, fit.splits = state["step"], state["tokens"], state["splits"]
    fit.length.resume(fit, state["length"])
    fit.journal.console.steps = fit.length.steps
    fit.journal.last_val = state["last_val"]
    fit.clock.earlier = fit.due.saved_at = state["seconds"]
    fit.clock.restart()
    fit.run.rewind(fit.step)
    fit.run.update(status="running", finished=None)
    fit.journal.say(
        _("run '{name}' goes on after step {step} ({tokens:,} tokens)").format(
            name=name, step=fit.step, tokens=fit.tokens
        )
    )
    _say_what_changed(fit, state["made_by"])


def _load_rows(fit: Fit, state: dict[str, Any]) -> None:
    if state["data"].keys() != fit.batches.state_dict().keys():
        raise UserError(
            _("run '{run}' cannot resume with other data: give {flag} the texts it was started with.").format(
                run=fit.run.name, flag=flag("replay")
            )
        )
    fit.batches.load_state_dict(state["data"])


def _load_weights(fit: Fit, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    trained, frozen = _weights(fit)
    same = all(
        f"model.{key}" in tensors and tensors[f"model.{key}"].shape == parameter.shape
        for key, parameter in trained.items()
    )
    if not same or digest(frozen) != state["frozen"]:
        raise UserError(
            _("run '{run}' cannot resume: the model it was started from has changed since.").format(run=fit.run.name)
        )
    for key, parameter in trained.items():
        parameter.copy_(tensors[f"model.{key}"])
    fit.optimizer.load_state_dict(
        {
            "num_steps": state["optimizer_steps"],
            "state": {key: tensors[f"optimizer.{key}"] for key in fit.optimizer.state},
        }
    )


def _weights(fit: Fit) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters that are trained, those that stay as they are)."""
    both: tuple[dict[str, Tensor], dict[str, Tensor]] = {}, {}
    for name, parameter in fit.model.named_parameters():
        both[not parameter.requires_grad][name] = parameter
    return both


def digest(tensors: dict[str, Tensor]) -> str:
    """A hash of names and numbers; "" for none."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest() if tensors else ""


def _maker(fit: Fit) -> dict[str, Any]:
    """What the last bits depend on besides the data and the seed."""
    return {
        "batch_size": fit.config.batch_size,
        "accumulation_steps": fit.config.accumulation_steps,
        "device": fit.model.device.type,
        "threads": torch.get_num_threads(),
        "precision": str(fit.model.compute_dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "parts": fit.guard.parts(),
    }


def _say_what_changed(fit: Fit, was: dict[str, Any]) -> None:
    mine = _maker(fit)
    mine, was = ({**made, **made["parts"], "parts": None} for made in (mine, was))
    pairs = {key: (was.get(key, "reference"), mine.get(key, "reference")) for key in mine | was}
    if other := [f"{key} {before} → {now}" for key, (before, now) in pairs.items() if before != now]:
        fit.journal.say(
            _("it goes on with {other}: from here it can no longer be bit-identical to a run without a break").format(
                other=commas(other)
            )
        )
