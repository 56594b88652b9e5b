"""`fledge doctor`: what this machine is, measured; what it can train; what is wrong with it and how to mend that."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fledge import device
from fledge.cli.flags import parse
from fledge.lang import N_, _
from fledge.records import cache_root, runs_root

CORE = ("torch", "numpy", "safetensors", "tokenizers", "jinja2", "rich", "tyro", "yaml", "matplotlib")
OPTIONAL = {
    "transformers": N_("checks exported models"),
    "pyarrow": N_("reads parquet data"),
    "tensorboard": N_("TensorBoard curves"),
    "wandb": N_("W&B tracking"),
    "swanlab": N_("SwanLab tracking"),
}
MARKS = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}


@dataclass
class Check:
    """One finding; `advice` says what to do when it is not ok."""

    name: str
    state: Literal["ok", "warn", "bad"]
    value: str
    advice: str = ""


@dataclass
class Flags:
    """Measure this machine and say what it can train. Exit code 1 when something is broken."""

    json: bool = False
    """print JSON"""


def main(argv: list[str]) -> int:
    flags = parse(Flags, argv, "fledge doctor")
    checks = [check_python(), *check_packages()]
    facts: dict[str, Any] = device.system()
    conclusion = _("First mend what is marked BAD above.")
    if all(check.state != "bad" for check in checks):
        device.set_threads()
        facts = device.machine()
        facts["gflops"] = measure(facts["device"])
        checks += [*check_card(facts), *check_traps(), check_speed(facts)]
        conclusion = verdict(facts)
    checks += [check_memory(facts), check_disk(), check_fonts(), *check_optional()]
    broken = any(check.state == "bad" for check in checks)
    if flags.json:
        report = {
            "ok": not broken,
            "verdict": conclusion,
            "machine": facts,
            "checks": [asdict(check) for check in checks],
        }
        print(json.dumps(report, ensure_ascii=False, indent=1))
        return int(broken)
    for check in checks:
        print(
            f"{MARKS[check.state]}  {check.name}: {check.value}" + (f"\n      {check.advice}" if check.advice else "")
        )
    print(f"\n{conclusion}")
    return int(broken)


def check_python() -> Check:
    value = f"{sys.version.split()[0]} ({sys.executable})"
    if sys.maxsize < 2**32:
        return Check(
            "Python",
            "bad",
            value,
            _("This is a 32-bit build: install the 64-bit one."),
        )
    return Check("Python", "ok", value)


def check_packages() -> list[Check]:
    """torch and the other packages that nothing works without; torch is really imported."""
    missing = [name for name in CORE if importlib.util.find_spec(name) is None]
    if missing:
        advice = _("Delete .venv and run start.py again.")
        return [Check(_("packages"), "bad", _("missing: {missing}").format(missing=", ".join(missing)), advice)]
    try:
        import torch
    except Exception as error:  # a broken build fails in many ways, an OSError for a missing DLL among them
        advice = _(
            "This torch is broken. On Windows install Microsoft's Visual C++ redistributable; else delete .venv and run start.py."
        )
        return [Check("torch", "bad", f"{type(error).__name__}: {error}", advice)]
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "MPS" if torch.backends.mps.is_built() else "CPU"
    return [Check("torch", "ok", f"{torch.__version__} ({build})")]


def check_card(facts: dict[str, Any]) -> list[Check]:
    """The device, and whether an NVIDIA card lies idle: pip gives Windows a torch that cannot use it."""
    import torch

    name = _("device")
    value = facts.get("gpu") or _("{cpu}, {cores} cores, {threads} threads").format(
        cpu=facts["cpu"], cores=facts["cores"], threads=facts["threads"]
    )
    value += f", {facts['precision']}"
    card = nvidia_card()
    if not card or facts["device"] == "cuda":
        return [Check(name, "ok", value)]
    if torch.version.cuda is None:
        advice = _("To use the card, run: {cuda_command}").format(cuda_command=cuda_command())
        return [
            Check(
                name,
                "warn",
                _("there is a {card}, but torch is a CPU build").format(card=card),
                advice,
            )
        ]
    advice = _("The driver is too old for CUDA {cuda}: update the NVIDIA driver and restart.").format(
        cuda=torch.version.cuda
    )
    return [Check(name, "bad", _("there is a {card}, but torch cannot use it").format(card=card), advice)]


def nvidia_card() -> str:
    """The first NVIDIA card's name as its driver tells it, or an empty string."""
    found = shutil.which("nvidia-smi")
    lines = device.run_quietly(found, "--query-gpu=name", "--format=csv,noheader").splitlines() if found else []
    return lines[0].strip() if lines else ""


def cuda_command() -> str:
    """The one command that puts a CUDA build of the same torch in the place of the CPU build."""
    version = (device.package_version("torch") or "").split("+")[0]
    python = f'"{sys.executable}"'
    uv = "uv" if shutil.which("uv") else f"{python} -m pip install uv\n      {python} -m uv"
    return f"{uv} pip install --python {python} --torch-backend=auto --reinstall-package torch torch=={version}"


def check_traps() -> list[Check]:
    """Packages whose mere presence breaks others."""
    import torch

    vision = device.package_version("torchvision")
    if vision and torch.version.cuda is None and "+cpu" not in vision and sys.platform == "linux":
        advice = _('Run: "{executable}" -m pip uninstall torchvision').format(executable=sys.executable)
        value = _("{vision} does not fit a CPU torch and breaks transformers").format(vision=vision)
        return [Check("torchvision", "bad", value, advice)]
    return []


def measure(kind: str) -> dict[str, float]:
    """Matmul speed in GFLOP/s by precision."""
    size = 4096 if kind == "cuda" else 1024
    names = {"fp32": "float32", "bf16": "bfloat16"}
    return {name: round(device.matmul_gflops(kind, dtype, size), 1) for name, dtype in names.items()}


def check_speed(facts: dict[str, Any]) -> Check:
    speeds = ", ".join(f"{name} {speed:,.0f} GFLOP/s" for name, speed in facts["gflops"].items())
    return Check(_("matmul"), "ok", speeds)


def check_memory(facts: dict[str, Any]) -> Check:
    advice = _("Less than 4 GB: only the smallest models train here.")
    low = 0 < facts["ram_gb"] < 4
    return Check(_("memory"), "warn" if low else "ok", f"{facts['ram_gb']} GB", advice if low else "")


def check_disk() -> Check:
    """Room where the runs lie, and whether they can be written."""
    name, folder = _("disk"), runs_root()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    value = _("{free:.0f} GB free for {folder}").format(free=free, folder=runs_root())
    cached = sum(file.stat().st_size for file in cache_root().rglob("*") if file.is_file()) / 2**30
    if cached >= 0.1:
        value += _("; {cached:.1f} GB of prepared data in {cache}, made anew when deleted").format(
            cached=cached, cache=cache_root()
        )
    try:
        probe = Path(folder) / ".fledge-doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        advice = _("Let FLEDGE_RUNS name a folder that can be written.")
        return Check(
            name, "bad", _("cannot write {folder}: {error}").format(folder=folder, error=error.strerror), advice
        )
    if free < 1:
        return Check(name, "bad", value, _("Less than 1 GB: make room."))
    return Check(name, "ok" if free >= 5 else "warn", value, "" if free >= 5 else _("That is little."))


def check_fonts() -> Check:
    from fledge.display.fonts import cjk_font

    font = cjk_font()
    none = _("no Chinese font: plots are labelled in English")
    return Check(_("fonts"), "ok", font or none)


def check_optional() -> list[Check]:
    found = {name: device.package_version(name) for name in OPTIONAL}
    have = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    lack = ", ".join(f"{name} ({OPTIONAL[name]})" for name, version in found.items() if not version)
    return [
        Check(name, "ok", value)
        for name, value in ((_("optional packages"), have), (_("not installed"), lack))
        if value
    ]


def verdict(facts: dict[str, Any]) -> str:
    """One sentence: how large a model this machine trains well in an hour and in a day.

    Training costs 6 FLOPs a parameter and token, and a model wants about 20 tokens a parameter (Hoffmann et al.,
    2022, arXiv:2203.15556), so N = sqrt(FLOPs / 120). A quarter of the matmul speed reaches the weights, and 16 bytes
    a parameter (fp32 weights, gradients, two AdamW moments) must fit into half of the memory.
    """
    speed = facts["gflops"]["bf16" if facts["precision"] == "bfloat16" else "fp32"] * 1e9 / 4
    memory = facts.get("gpu_memory_gb") or facts["ram_gb"] or 8
    largest = memory * 2**30 / 2 / 16
    hour, day = (_count(min(largest, (speed * seconds / 120) ** 0.5)) for seconds in (3600, 86400))
    return _(
        "Estimate: this machine trains a model of about {hour} parameters well in an hour, {day} in a day. "
        "Start with `fledge quickstart`."
    ).format(hour=hour, day=day)


def _count(number: float) -> str:
    return (
        f"{number / 1e9:.1f}B" if number >= 1e9 else f"{number / 1e6:.0f}M" if number >= 1e7 else f"{number / 1e6:.1f}M"
    )
