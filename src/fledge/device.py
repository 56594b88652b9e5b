"""What this machine is, measured rather than guessed: device, precision, threads, memory.

Importing this module is cheap; torch is loaded by the functions that need it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.errors import UserError, flag, suggest
from fledge.lang import _, commas

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "fp32", "bf16", "fp16")


def pick_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA, else Apple's MPS, else the CPU; a device asked for by name must be there (UserError)."""
    import torch

    kind, __, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not index.isdigit()):
        near = suggest(kind, ["cpu", "cuda"])
        raise UserError(
            _("device '{name}' is unknown: use auto, cpu, mps, cuda or cuda:0.{near}").format(name=name, near=near)
        )
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        why = _("this torch is a CPU build") if torch.version.cuda is None else _("torch sees no NVIDIA driver or card")
        raise UserError(
            _("device 'cuda' is not available: {why}; use {flag}, and see what `fledge doctor` says.").format(
                why=why, flag=flag("device", "cpu")
            )
        )
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UserError(
            _("device '{name}' is not there: this machine has {count} CUDA device(s).").format(name=name, count=count)
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UserError(
            _("device 'mps' is not available: it needs a Mac with Apple silicon; use {flag}.").format(
                flag=flag("device", "cpu")
            )
        )
    return torch.device(f"{kind}:{index}" if index else kind)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype to compute in. `auto`: CUDA bf16 where the card has it, else fp16; MPS fp32; on a CPU bf16 only when a
    matmul measured here is at least 1.5 times as fast as in fp32 (AMX and AVX512-BF16 cores are, others are slower)."""
    import torch

    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if name in dtypes:
        return dtypes[name]
    if name != "auto":
        near = suggest(name, PRECISIONS)
        raise UserError(
            _("precision '{name}' is unknown: use {precisions}.{near}").format(
                name=name, precisions=commas(PRECISIONS), near=near
            )
        )
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and matmul_gflops("cpu", "bfloat16") >= 1.5 * matmul_gflops("cpu", "float32"):
        return torch.bfloat16
    return torch.float32


@functools.cache
def matmul_gflops(device: str, dtype: str, size: int = 512) -> float:
    """Measured speed of a [size, size] matmul in GFLOP/s (a multiply-add is two): the best of five and of
    0.3 seconds, after a warm-up. On a busy machine both threads may wait for a tenth of a second, and longer seldom."""
    import torch

    a = torch.randn(size, size, device=device).to(getattr(torch, dtype))
    value = (a @ a)[0, 0].item()  # .item() waits for the device
    seconds: list[float] = []
    while len(seconds) < 5 or sum(seconds) < 0.3:
        start = time.perf_counter()
        value += (a @ a)[0, 0].item()
        seconds.append(time.perf_counter() - start)
    assert value == value, "a matmul of finite numbers gave NaN"
    return 2 * size**3 / min(seconds) / 1e9


def set_threads() -> int:
    """Let torch use every physical core this process may use (twins of one core only slow a matmul); return the number.
    `OMP_NUM_THREADS` wins over what we find."""
    import torch

    threads = int(os.environ["OMP_NUM_THREADS"]) if os.environ.get("OMP_NUM_THREADS", "").isdigit() else num_cores()
    torch.set_num_threads(max(1, threads))
    return torch.get_num_threads()


def num_cores() -> int:
    """Physical cores open to this process: affinity and container quota cap what the machine has."""
    if sys.platform == "linux":
        cpus = os.sched_getaffinity(0)
        twins = [Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") for cpu in cpus]
        cores = len({path.read_text() for path in twins}) if all(path.exists() for path in twins) else len(cpus)
        quota = _read(
            "/sys/fs/cgroup/cpu.max"
        ).split()  # "200000 100000" = two cores' worth of time; "max 100000" = all
        if len(quota) == 2 and quota[0].isdigit():
            cores = min(cores, max(1, int(quota[0]) // int(quota[1])))
        return cores
    if sys.platform == "darwin":
        found = run_quietly("sysctl", "-n", "hw.perflevel0.physicalcpu") or run_quietly(
            "sysctl", "-n", "hw.physicalcpu"
        )
        return int(found) if found.isdigit() else os.cpu_count() or 1
    return max(1, (os.cpu_count() or 2) // 2)  # Windows counts threads; two to a core is the rule there


def ram_gb() -> float:
    """Memory open to this process in GiB (a container's limit counts); 0.0 when unknown."""
    if sys.platform == "win32":
        import ctypes

        class MemoryStatus(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
                (name, ctypes.c_ulonglong)
                for name in ("total", "free", "page", "page_free", "virtual", "virtual_free", "x")
            ]

        status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return round(status.total / 2**30, 1)
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0.0
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    return round(min(total, int(limit) if limit.isdigit() else total) / 2**30, 1)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or in the machine: torch says so in several ways."""
    words = ("out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def memory_mb(device: torch.device) -> float:
    """Peak memory of this process in MiB since `forget_peak`: what torch allocated on a CUDA device, else the resident set;
    0.0 when unknown."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        found = windows_memory(os.getpid())
        return found[0] / 2**20 if found else 0.0
    # on Linux not ru_maxrss, where a process that was just started inherits its parent's
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            return int(found[1]) / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # macOS counts bytes, Linux KiB


def forget_peak(device: torch.device) -> None:
    """Let the peak begin anew, where that can be: on a CUDA device and on Linux."""
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with contextlib.suppress(OSError):  # a kernel may be built without it
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def windows_memory(pid: int) -> tuple[int, int] | None:
    """(the most that was resident, what is committed now) of a process on Windows, in bytes; None when it cannot be asked."""
    if sys.platform != "win32":
        return None
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):  # PROCESS_MEMORY_COUNTERS
        _fields_ = [("size", wintypes.DWORD), ("faults", wintypes.DWORD)] + [
            (name, ctypes.c_size_t) for name in ("peak", "working_set", "a", "b", "c", "d", "pagefile", "peak_pagefile")
        ]

    kernel, psapi = ctypes.WinDLL("kernel32"), ctypes.WinDLL("psapi")
    kernel.OpenProcess.restype = wintypes.HANDLE
    query, read = 0x400, 0x10
    process = wintypes.HANDLE(kernel.OpenProcess(query | read, False, pid))
    counters = Counters()
    counters.size = ctypes.sizeof(counters)
    known = psapi.GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size)
    kernel.CloseHandle(process)
    return (int(counters.peak), int(counters.pagefile)) if known else None


def cpu_name() -> str:
    """The processor as its maker calls it."""
    if sys.platform == "linux":
        for line in _read("/proc/cpuinfo").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        return run_quietly("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def package_version(name: str) -> str | None:
    """The installed version of a distribution, without importing it; None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def system() -> dict[str, Any]:
    """What can be said of this machine without loading torch."""
    return {
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": num_cores(),
        "ram_gb": ram_gb(),
        "python": platform.python_version(),
        "torch": package_version("torch"),
    }


def machine() -> dict[str, Any]:
    """`system()` and what torch makes of it: threads, device, measured precision, the GPU's name and memory."""
    import torch

    device = pick_device()
    facts = system() | {"threads": torch.get_num_threads(), "device": device.type}
    facts["precision"] = str(pick_precision("auto", device)).removeprefix("torch.")
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "gpu": properties.name,
            "gpu_memory_gb": round(properties.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
        }
    return facts


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def run_quietly(*command: str) -> str:
    """What a program prints; empty when it is not there, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
