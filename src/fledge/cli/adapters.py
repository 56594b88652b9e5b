"""`fledge adapters`: the adapters that were trained here, and whole models made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from fledge.cli.flags import parse, subverb
from fledge.errors import UserError
from fledge.lang import _, both


def main(argv: list[str]) -> int:
    return subverb(
        {
            "list": (_list, both("the adapters of the runs here, and what they belong to")),
            "merge": (_merge, both("a plain model folder of a model and one adapter or several")),
        },
        argv,
        "fledge adapters",
    )


@dataclass
class ListFlags:
    """The adapters that runs here trained: base, rank, layers, size."""

    json: bool = False
    """print JSON"""


def _list(argv: list[str]) -> int:
    flags = parse(ListFlags, argv, "fledge adapters list")
    from fledge.adapt.format import LINEAR, is_adapter
    from fledge.records import list_runs

    found = [_described(run.name, run.model_dir) for run in list_runs() if is_adapter(run.model_dir)]
    if flags.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    if not found:
        print(_("No run here has trained an adapter; `fledge train lora` does."))
        return 0
    from rich.console import Console

    from fledge.display.terminal import table

    rows = [
        [
            row["run"],
            _short(row["base"]),
            f"{row['r']}" + " DoRA" * row["use_dora"] + " rsLoRA" * row["use_rslora"] + " NF4" * row["quantised"],
            _("all linear") if set(row["target_modules"]) == set(LINEAR) else " ".join(row["target_modules"]),
            f"{row['parameters']:,}",
        ]
        for row in found
    ]
    heads = [_("name"), _("base model"), _("rank"), _("which layers"), _("parameters")]
    Console().print(table(heads, rows, words=(0, 1, 3)))
    return 0


def _short(base: str | None) -> str:
    """A run by its name, any other folder as it is."""
    if base is None:
        return _("not there")
    path = Path(base)
    return path.parent.name if (path.parent / "run.json").is_file() else base


def _described(name: str, folder: Path) -> dict[str, Any]:
    from fledge.adapt.format import base_of, read_config, read_tensors

    config = read_config(folder)
    try:
        base = base_of(folder).as_posix()
    except UserError:
        base = None
    return {
        "run": name,
        "folder": folder.as_posix(),
        "base": base,
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "target_modules": list(config.target_modules),
        "use_dora": config.use_dora,
        "use_rslora": config.use_rslora,
        "quantised": config.base_quantization == "nf4",
        "parameters": sum(tensor.numel() for parts in read_tensors(folder).values() for tensor in parts.values()),
    }


@dataclass
class MergeFlags:
    """A plain model folder of a model and its adapters: the weights with every adapter's update added, one after the other. What
    `fledge train qlora` trained goes on weights rounded to four bits, as they were in training."""

    adapters: Annotated[list[str], tyro.conf.Positional, tyro.conf.arg(metavar="ADAPTER …")]
    """runs of `fledge train lora`, or folders in PEFT's form; several must belong to the same model"""
    out: Path
    """the folder to write; it must be new or empty"""
    model: str | None = None
    """the model to put them on; default: the one that the first adapter names"""


def _merge(argv: list[str]) -> int:
    flags = parse(MergeFlags, argv, "fledge adapters merge")
    if not flags.adapters:
        raise UserError(_("name one adapter or several: runs of `fledge train lora`, or folders in PEFT's form."))
    if flags.out.exists() and (not flags.out.is_dir() or any(flags.out.iterdir())):
        raise UserError(_("'{out}' is there already: name a new or empty folder with --out.").format(out=flags.out))
    from fledge.adapt.format import base_of, find_adapter
    from fledge.api import load

    folders = [find_adapter(name) for name in flags.adapters]
    lm = load(flags.model or base_of(folders[0]), device="cpu", adapters=folders)
    lm.save(flags.out)
    print(_("wrote {out}").format(out=flags.out.as_posix()))
    return 0
