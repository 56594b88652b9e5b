"""A short measurement of this machine: real training steps of small models, timed, and kept in the user's cache."""

from __future__ import annotations

import dataclasses
import re
import time
from typing import TYPE_CHECKING, Any

from fledge import device as devices
from fledge.errors import UserError
from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.model.presets import preset
from fledge.planning.machines import CONTEXT_GB, DESKTOP_GB, KERNEL_SECONDS, Machine, card, store, stored
from fledge.planning.memory import Pass, attention_kind
from fledge.planning.work import seconds_of, step_work

if TYPE_CHECKING:
    import torch

    from fledge.training.config import TrainConfig

# Two steps that differ in what limits them: narrow (memory) and wide (products, most of them Muon's).
ANCHORS = [
    (preset("cpu-2m", vocab_size=512, num_hidden_layers=2), 8, 256),
    (preset("small-34m", vocab_size=512, num_hidden_layers=2), 4, 256),
]
STEPS = 4  # timed, after one that is not
LONGEST = 1.5  # seconds that a measured step may take: a larger one is measured on a smaller neighbour
LONGEST_SHARE = 0.05  # of a budget that may go into measuring the machine before it
IDLE = 0.75  # of the cores' time that a measurement must get to be kept
GUESSED_BYTES = 1 / 15  # a second, for each operation a second: as on the CPU that the rules were made on
SHORT_NAME = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


def machine_of(name: str | None, config: TrainConfig, *, again: bool = False, quick: bool = False) -> Machine:
    """This machine (None), its CPU ("cpu"), or a card of the table by name or memory."""
    if name is None:
        return this_machine(config.device, config.precision, again=again, quick=quick)
    if name.lower() == "cpu":
        return this_machine("cpu", config.precision, again=again, quick=quick)
    return card(name)


def too_short_to_measure(config: TrainConfig) -> bool:
    """Whether measuring the machine (5 s) would take more than LONGEST_SHARE of the run, or nobody knows how long it is."""
    return (config.seconds() or 0) * LONGEST_SHARE < 5


def this_machine(device: str = "auto", precision: str = "auto", *, again: bool = False, quick: bool = False) -> Machine:
    """This machine with its speed: measured in a few seconds the first time, then from the cache (`again`: anew).
    `quick` does not measure: without a cached speed, one matrix product must do."""
    machine = describe(device, precision)
    speed = None if again else stored("speed", machine.key)
    if not (isinstance(speed, dict) and all(speed.get(name, 0) > 0 for name in ("flops", "bandwidth"))):
        if quick:
            return _guess(machine)
        begun, computed = time.perf_counter(), time.process_time()
        speed = _speed(machine)
        share = (time.process_time() - computed) / (time.perf_counter() - begun) / devices.set_threads()
        if machine.device == "cpu" and share < IDLE:  # other programs had the cores: right for now, wrong tomorrow
            return dataclasses.replace(machine.with_speed(**speed), busy=True)
        store("speed", machine.key, speed)
        store("ratio", machine.key, {})  # of the speed before
    return machine.with_speed(**{name: speed[name] for name in ("flops", "bandwidth", "kernel_seconds")})


def _guess(machine: Machine) -> Machine:
    """From the matrix product that `precision=auto` has measured anyway; bytes at GUESSED_BYTES for each operation."""
    name = next(long for long, short in SHORT_NAME.items() if short == machine.precision)
    flops = 0.8 * devices.matmul_gflops(machine.device, name) * 1e9
    return dataclasses.replace(
        machine, flops=flops, bandwidth=flops * GUESSED_BYTES, kernel_seconds=KERNEL_SECONDS * (machine.device != "cpu")
    )


def describe(device: str = "auto", precision: str = "auto") -> Machine:
    """This machine without its speed."""
    where = devices.pick_device(device)
    devices.set_threads()
    facts = devices.machine() | {"device": where.type}
    if where.type == "cuda":
        memory, reserve = facts["gpu_memory_gb"], CONTEXT_GB + DESKTOP_GB
    else:  # a quarter of the memory, and 2 GB of a large one, belongs to the system and what else is open
        memory = facts["ram_gb"] or 8.0
        reserve = min(2.0, memory / 4)
    threads = _(" ({threads} threads)").format(threads=facts["threads"])
    name = facts.get("gpu") if where.type == "cuda" else f"{facts['cpu']}{threads}"
    kind = SHORT_NAME[str(devices.pick_precision(precision, where)).removeprefix("torch.")]
    return Machine(
        name=name or where.type,
        device="cpu" if where.type == "cpu" else "cuda",
        memory_gb=memory,
        reserve_gb=reserve,
        precision=kind,
        flops=0.0,
        bandwidth=0.0,
        kernel_seconds=0.0,
        key=key_of(facts, kind),
    )


def key_of(facts: dict[str, Any], precision: str) -> str:
    """Names a machine in a precision, from what a run records of it: its measurements and its calibration."""
    on_gpu = facts.get("device") == "cuda"
    what = facts.get("gpu") if on_gpu else f"{facts.get('cpu')} {facts.get('threads')} threads"
    return re.sub(r"\s+", " ", f"{facts.get('device')}: {what}, {SHORT_NAME.get(precision, precision)}")


def ratio(machine: Machine, shape: ModelConfig, step: Pass, optimizer: str) -> float:
    """Measured seconds over computed ones, of a real training step of this shape or of a neighbour with fewer layers and
    rows that this GPU does in about a second. 1.0 for a machine that is not here, and for a CPU, whose speeds come from
    real training steps already."""
    if not machine.measured or machine.device == "cpu":
        return 1.0
    step = dataclasses.replace(step, adapter=None)  # the machine is measured, by full steps
    near, small = neighbour(machine, shape, step, optimizer)
    sizes = f"{near.model_type} {near.hidden_size}×{near.num_hidden_layers} {near.intermediate_size} {near.num_experts}"
    name = f"{sizes} {near.vocab_size}, {small.batch_size}×{small.seq_len} {small.attention} {small.checkpoint} {optimizer}"
    known = stored("ratio", machine.key)
    known = known if isinstance(known, dict) else {}
    if name not in known:
        seconds = time_step(near, small, optimizer)
        known = known | {name: seconds / seconds_of(step_work(near, small, optimizer, 1), machine)}
        store("ratio", machine.key, known)
    return float(known[name])


def neighbour(machine: Machine, shape: ModelConfig, step: Pass, optimizer: str) -> tuple[ModelConfig, Pass]:
    """The same widths and vocabulary, with fewer layers and then fewer rows until a step takes about LONGEST."""
    while seconds_of(step_work(shape, step, optimizer, 1), machine) > LONGEST:
        if shape.num_hidden_layers > 2:
            shape = dataclasses.replace(shape, num_hidden_layers=max(2, shape.num_hidden_layers // 2))
        elif step.batch_size > 1:
            step = dataclasses.replace(step, batch_size=step.batch_size // 2)
        else:
            break
    return shape, step


def time_step(shape: ModelConfig, step: Pass, optimizer: str, device: str = "auto") -> float:
    """Seconds of one real optimizer step on random tokens: the best of STEPS, after one that is not counted. It is what
    the machine can do; what else usually runs beside it is for the calibration to learn."""
    import torch

    from fledge.model.transformer import Transformer
    from fledge.training.config import TrainConfig
    from fledge.training.losses import linear_cross_entropy
    from fledge.training.optim import Optimizer

    where = devices.pick_device(device)
    model = Transformer(shape).init_weights(0).to(where)
    model.compute_dtype = devices.pick_precision(step.precision, where)
    model.checkpoint_activations = step.checkpoint
    rule = Optimizer(model, TrainConfig(optimizer="muon" if optimizer == "muon" else "adamw").with_rates())
    B, T = step.batch_size, step.seq_len
    generator = torch.Generator().manual_seed(0)
    ids_BT = torch.randint(shape.vocab_size, (B, T + 1), generator=generator).to(where)
    packed: dict[str, torch.Tensor] = {}
    if step.packed:
        half = torch.arange(T, device=where) * 2 // T
        packed = {"positions_BT": torch.arange(T, device=where).repeat(B, 1), "segments_BT": half.repeat(B, 1)}
    times = []
    try:
        for __ in range(STEPS + 1):
            begun = time.perf_counter()
            router: list[torch.Tensor] | None = [] if shape.num_experts else None
            hidden_BTD = model.hidden(ids_BT[:, :-1], router_logits=router, **packed)
            loss = linear_cross_entropy(hidden_BTD, model.lm_head.weight, ids_BT[:, 1:].contiguous())
            (loss / (B * T)).backward()
            rule.step(1.0)
            model.model.norm.weight.sum().item()  # waits for the device
            times.append(time.perf_counter() - begun)
    except (MemoryError, RuntimeError) as error:
        if not devices.out_of_memory(error):
            raise
        raise UserError(
            _(
                "there is not enough memory to measure a step of {B} rows of {T} tokens: close other programs, "
                "or plan for a card with `fledge plan --card`."
            ).format(B=B, T=T)
        ) from None
    return min(times[1:])


def _speed(machine: Machine) -> dict[str, float]:
    return _gpu_speed(machine) if machine.device == "cuda" else _cpu_speed(machine)


def _cpu_speed(machine: Machine) -> dict[str, float]:
    """Products and bytes a second from the two anchors: two equations in 1/flops and 1/bandwidth."""
    rows = []
    for shape, batch_size, seq_len in ANCHORS:
        kind = attention_kind("cpu", machine.precision, seq_len, True, True)
        step = Pass(batch_size, seq_len, machine.precision, kind)
        work = step_work(shape, step, "muon", 1)
        rows.append((work.flops, work.bytes, time_step(shape, step, "muon", "cpu")))
    return solve(*rows)


def solve(narrow: tuple[float, float, float], wide: tuple[float, float, float]) -> dict[str, float]:
    """Speeds from two (flops, bytes, seconds). Where noise would make memory explain nothing or most of a step, it is said
    to be a third of the narrow one, as on the CPU that the arithmetic was fitted to."""
    (f1, b1, t1), (f2, b2, t2) = narrow, wide
    determinant = f1 * b2 - f2 * b1
    a, b = (t1 * b2 - t2 * b1) / determinant, (f1 * t2 - f2 * t1) / determinant
    if not 0.05 <= b * b1 / t1 <= 0.6 or a <= 0:
        b = t1 / b1 / 3
        a = (t1 * 2 / 3 / f1 * t2 / f2) ** 0.5
    return {"flops": 1 / a, "bandwidth": 1 / b, "kernel_seconds": 0.0}


def _gpu_speed(machine: Machine) -> dict[str, float]:
    """A small training step on a GPU measures how fast Python launches kernels, so each limit is measured alone."""
    import torch

    where = devices.pick_device("auto")
    names = {short: long for long, short in SHORT_NAME.items()}
    flops = 0.7 * devices.matmul_gflops(where.type, names[machine.precision], 4096) * 1e9  # of a large square product
    numbers = torch.ones(2**26, device=where)

    def best(repeats: int, size: int) -> float:
        part, times = numbers[:size], []
        for _ in range(6):
            part.sum().item()
            begun = time.perf_counter()
            for _ in range(repeats):
                part.mul_(1.0)
            part[0].item()
            times.append((time.perf_counter() - begun) / repeats)
        return min(times[1:])

    return {
        "flops": flops,
        "bandwidth": 0.8 * 8 * numbers.numel() / best(5, numbers.numel()),  # read and written, fp32
        "kernel_seconds": max(best(500, 8), KERNEL_SECONDS / 4),
    }
