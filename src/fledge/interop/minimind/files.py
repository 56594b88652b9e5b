"""Where MiniMind's scripts find and put their files, and which of its two generations those files belong to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fledge.errors import UserError, suggest
from fledge.interop.minimind.tables import ABSENT, DOORS, GENERATIONS, Generation, default
from fledge.lang import _

DATA_OF: dict[Generation, tuple[str, ...]] = {  # names of data files that only one generation has
    "v2": ("pretrain_hq", "sft_mini_512", "sft_512", "sft_1024", "sft_2048", "r1_mix_1024", "rlaif-mini"),
    "v3": ("pretrain_t2t", "pretrain_t2t_mini", "sft_t2t", "sft_t2t_mini", "rlaif", "agent_rl", "agent_rl_math"),
}


class Place:
    """A checkout and the folder that a script was started in.

    A default such as `../out` counts from the script's own folder, as in MiniMind; what the user types counts from where
    they are, or else from there. The process then works in `root`, so that records hold the same short paths wherever it
    was started.
    """

    def __init__(self, door: str | Path) -> None:
        self.door = Path(door).resolve()
        self.folder = self.door.parent
        self.root = self.folder if (self.folder / "trainer").is_dir() else self.folder.parent
        self.started = Path.cwd()

    def enter(self) -> None:
        """Work in the checkout, where `runs` then lies."""
        for name in ("FLEDGE_RUNS", "FLEDGE_CACHE"):
            if os.environ.get(name):
                os.environ[name] = str(self.started / os.environ[name])
        os.chdir(self.root)

    def find(self, path: str, typed: bool) -> Path:
        """What a path argument means: the first that is there, counted from the user's folder and from the script's; when
        neither is, the first inside the checkout."""
        bases = [self.started, self.folder] if typed else [self.folder]
        found = [Path(os.path.normpath(base / path)) for base in bases]
        there = [p for p in found if p.exists()] or [p for p in found if p.is_relative_to(self.root)] or found
        return there[0]

    def short(self, path: Path) -> str:
        """The path from `root` on, when it lies inside."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def shown(self, path: Path) -> str:
        """The path as the user would type it where they are."""
        try:
            return Path(os.path.relpath(path, self.started)).as_posix()
        except ValueError:  # Windows: another drive
            return str(path)

    @property
    def model_dir(self) -> Path:
        """Where MiniMind keeps its tokenizer."""
        return self.root / "model"


def weight_name(prefix: str, hidden_size: int, use_moe: int = 0) -> str:
    """The stem of a weights file: full_sft_512, grpo_768_moe."""
    return f"{prefix}_{hidden_size}{'_moe' if use_moe else ''}"


def weight_folders(place: Place, typed: dict[str, Any]) -> list[Path]:
    """Where `--from_weight` looks: --save_dir when it was typed, then `out`, where MiniMind always looks."""
    chosen = [place.find(typed["save_dir"], typed=True)] if "save_dir" in typed else []
    return list(dict.fromkeys([*chosen, place.root / "out"]))


def find_weights(
    place: Place, folders: list[Path], prefix: str, hidden_size: int, use_moe: int, flag: str, size: str = "hidden_size"
) -> Path:
    """The .pth of that prefix; UserError that lists what is there, with the arguments (`flag`, `size`) that would take it."""
    name = f"{weight_name(prefix, hidden_size, use_moe)}.pth"
    if found := [folder / name for folder in folders if (folder / name).is_file()]:
        return found[0]
    there = sorted({path.stem for folder in folders for path in folder.glob("*_*.pth")})
    wanted = place.shown(folders[0] / name)
    if not there:
        raise UserError(
            _(
                "there are no weights {wanted}, nor any others: train them first, e.g. with train_pretrain.py in trainer/."
            ).format(wanted=wanted)
        )
    prefixes = list(dict.fromkeys(stem.removesuffix("_moe").rpartition("_")[0] for stem in there))
    near = suggest(prefix, prefixes) if prefix not in prefixes else ""
    files = "; ".join(f"{stem}.pth ({_arguments(stem, flag, size)})" for stem in there[:8])
    rest = len(there) - 8
    more = _("; and {rest} more").format(rest=rest) if rest > 0 else ""
    raise UserError(
        _("there are no weights {wanted}.{near} There are: {files}{more}.").format(
            wanted=wanted, near=near, files=files, more=more
        )
    )


def _arguments(stem: str, flag: str, size: str) -> str:
    name, moe = stem.removesuffix("_moe"), stem.endswith("_moe")
    prefix, _, width = name.rpartition("_")
    experts = size.replace("hidden_size", "use_moe")
    return f"--{flag} {prefix} --{size} {width}{f' --{experts} 1' if moe else ''}"


def choose(door: str, typed: dict[str, Any], place: Place, is_practice: Callable[[Path], bool]) -> Generation:
    """Which generation's defaults and shape a command means. The first of these that tells the two apart decides:

    1. `--compat`; 2. a data file's name, or an argument, that only one of them has; 3. the weights that the command starts
    from (what is in them, or which of the two default names is there); 4. with --from_resume, whose resume file is there;
    5. whose default data file was downloaded (our practice files do not count); 6. v2, for which the learning plans are written.
    """
    if typed.get("compat"):
        return typed["compat"]
    name = Path(typed.get("data_path", "")).name.partition(".")[0]
    for generation in GENERATIONS:
        other = GENERATIONS[1 - GENERATIONS.index(generation)]
        if name in DATA_OF[generation] or any(default(door, flag, other) is ABSENT for flag in typed):
            return generation
    resume = place.root / "checkpoints"
    found = _by_weights(door, typed, weight_folders(place, typed))
    if not found and typed.get("from_resume"):
        found = _by_file(lambda g: resume / f"{_stem(door, typed, g)}_resume.pth")
    return found or _by_file(lambda g: _downloaded(door, place, g, is_practice)) or "v2"


def _by_weights(door: str, typed: dict[str, Any], folders: list[Path]) -> Generation | None:
    names: dict[str, None] = {}
    for generation in GENERATIONS:
        prefix = typed.get("from_weight", default(door, "from_weight", generation))
        if prefix is not ABSENT and prefix != "none":
            names[f"{_stem(door, typed, generation, prefix)}.pth"] = None
    there = [folder / name for name in names for folder in folders if (folder / name).is_file()]
    if len(there) != 1:
        return None
    from fledge.interop.minimind.pth import generation_of, read_pth

    return generation_of(read_pth(there[0])[0])


def _by_file(path_of: Callable[[Generation], Path | None]) -> Generation | None:
    """The generation whose file is there, if it is one alone."""
    paths = {generation: path_of(generation) for generation in GENERATIONS}
    there = [g for g in GENERATIONS if (path := paths[g]) is not None and path.is_file()]
    return there[0] if len(there) == 1 and len(set(paths.values())) == 2 else None


def _stem(door: str, typed: dict[str, Any], generation: Generation, prefix: str | None = None) -> str:
    size = typed.get("hidden_size", default(door, "hidden_size", generation))
    named = DOORS[door].named_by
    own = default(door, named, generation)
    return weight_name(prefix or typed.get(named, door if own is ABSENT else own), size, typed.get("use_moe", 0))


def _downloaded(door: str, place: Place, generation: Generation, is_practice: Callable[[Path], bool]) -> Path | None:
    path = place.find(default(door, "data_path", generation), typed=False)
    return path if path.is_file() and not is_practice(path) else None
