"""Machines to plan for: this one, measured, and graphics cards that are not here, by their makers' figures."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from fledge.errors import UserError, suggest
from fledge.lang import _, commas

GIB = 2**30
# Assumptions for a card that nobody has measured; `fledge plan --calibrate` replaces them on the machine itself.
MATMUL_SHARE = 0.6  # of the maker's matmul figure that a training step reaches
BANDWIDTH_SHARE = 0.7
KERNEL_SECONDS = 8e-6  # to launch one kernel from Python
CONTEXT_GB = 0.5  # CUDA's own memory, and cuBLAS's work space
DESKTOP_GB = 0.6  # what the screen of a desktop takes of a card that also shows it
# Of the tensors: memory that the allocator holds and cannot use. On a CPU glibc keeps freed blocks up to 32 MB for later
# ones of other sizes: 0.3 to 0.9 measured (bench/plan_accuracy.py). On a GPU an assumption.
FRAGMENTS = {"cuda": 0.06, "cpu": 0.6}


@dataclass(frozen=True)
class Machine:
    """What a plan has to know. `flops` and `bandwidth` are what a training step reaches, not what the maker promises."""

    name: str
    device: str  # cpu or cuda (an Apple GPU counts as cuda without a context)
    memory_gb: float
    reserve_gb: float  # not ours: the system, the desktop, CUDA's context
    precision: str  # what `precision=auto` takes there
    flops: float
    bandwidth: float  # bytes a second
    kernel_seconds: float
    measured: bool = False
    busy: bool = False  # other programs ran while it was measured
    key: str = ""  # names what was measured here, and by whom it is calibrated

    @property
    def usable(self) -> float:
        """Bytes that a run may take."""
        return max(0.0, self.memory_gb - self.reserve_gb) * GIB

    @property
    def title(self) -> str:
        return _("{name}, {memory_gb:g} GB").format(name=self.name, memory_gb=self.memory_gb)

    def source(self) -> str:
        """Where its speed comes from, for the reader."""
        if self.busy:
            return _(
                "speed measured while other programs used the processor: on an idle machine the plan will be better"
            )
        if self.measured:
            return _("speed measured on this machine")
        return _(
            "speed from the maker's figures: {matmul_share:.0%} of the matmul peak and {bandwidth_share:.0%} of the "
            "bandwidth are assumed, nothing was measured"
        ).format(matmul_share=MATMUL_SHARE, bandwidth_share=BANDWIDTH_SHARE)

    def with_speed(self, flops: float, bandwidth: float, kernel_seconds: float) -> Machine:
        return dataclasses.replace(self, flops=flops, bandwidth=bandwidth, kernel_seconds=kernel_seconds, measured=True)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Card:
    """Makers' figures: memory in GB, dense half-precision TFLOP/s with fp32 accumulation, bandwidth in GB/s."""

    name: str
    memory_gb: int
    tflops: float
    bandwidth: float
    precision: str = "bf16"
    desktop: bool = True

    def machine(self) -> Machine:
        return Machine(
            name=self.name,
            device="cuda",
            memory_gb=self.memory_gb,
            reserve_gb=CONTEXT_GB + (DESKTOP_GB if self.desktop else 0),
            precision=self.precision,
            flops=self.tflops * 1e12 * MATMUL_SHARE,
            bandwidth=self.bandwidth * 1e9 * BANDWIDTH_SHARE,
            kernel_seconds=KERNEL_SECONDS,
        )


# GeForce cards accumulate in fp32 at half their advertised tensor rate, which is twice their fp32 rate (NVIDIA's Turing,
# Ampere and Ada white papers); data-centre cards have no such brake. The first of each size stands for that size.
CARDS = [
    Card("RTX 3050 8GB", 8, 18.2, 224),
    Card("RTX 3050 4GB", 4, 11.0, 192),  # of laptops, at a middling clock
    Card("RTX 3050 6GB", 6, 13.5, 168),
    Card("RTX 2060 6GB", 6, 25.8, 336, "fp16"),
    Card("RTX 4060 8GB", 8, 30.2, 272),
    Card("RTX 3060 12GB", 12, 25.5, 360),
    Card("RTX 4070 12GB", 12, 58.3, 504),
    Card("T4 16GB", 16, 65.0, 320, "fp16", desktop=False),
    Card("V100 16GB", 16, 125.0, 900, "fp16", desktop=False),
    Card("RTX 3090 24GB", 24, 71.0, 936),
    Card("RTX 4090 24GB", 24, 165.2, 1008),
    Card("L4 24GB", 24, 121.0, 300, desktop=False),
    Card("A10 24GB", 24, 125.0, 600, desktop=False),
    Card("A100 40GB", 40, 312.0, 1555, desktop=False),
    Card("A100 80GB", 80, 312.0, 2039, desktop=False),
    Card("H100 80GB", 80, 989.0, 3350, desktop=False),
]
SHOWN = ("RTX 3050 4GB", "RTX 3050 6GB", "RTX 3050 8GB", "RTX 3060 12GB", "RTX 3090 24GB")  # of `--cards`


def card(name: str) -> Machine:
    """The card of that name ("RTX 3050", "4090", "NVIDIA GeForce RTX 3060") or memory ("8", "8GB")."""
    words = _words(name)
    if len(words) == 1 and words[0].removesuffix("gb").isdigit() and (size := int(words[0].removesuffix("gb"))) < 1000:
        for found in CARDS:
            if found.memory_gb == size:
                return found.machine()
        sizes = commas(str(size) for size in sorted({card.memory_gb for card in CARDS}))
        raise UserError(
            _("there is no card of {size} GB in the table (it has {sizes}): name one of those, or a card.").format(
                size=size, sizes=sizes
            )
        )
    for found in CARDS:
        if words and set(words) <= set(_words(found.name)):
            return found.machine()
    names = [found.name for found in CARDS]
    near = suggest(name, names)
    raise UserError(
        _("the card '{name}' is not in the table: {names}.{near}").format(name=name, names=commas(names), near=near)
    )


def _words(name: str) -> list[str]:
    plain = name.lower().replace("nvidia", "").replace("geforce", "").replace("tesla", "").replace(" gb", "gb")
    return plain.replace("-", " ").split()
