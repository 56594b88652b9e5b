"""How much memory a learner's process may use beyond the bare process.

Linux: the address space is limited (RLIMIT_AS), so that a request beyond the limit fails at once as a MemoryError.
Windows: a job object limits what the process may commit. Everywhere else, and on Linux too, the parent looks every
few hundredths of a second at what is resident (`resident`), and ends a process that holds more.

What was tried: Linux. The job object and the `ps` of macOS are written from their documentation.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from fledge.device import windows_memory


def limit_self(megabytes: int, seconds: float) -> None:
    """Called in the learner's process once everything is imported. The parent holds it to `seconds`; should the parent
    itself have been killed, an endless loop ends here a minute of computing later."""
    if sys.platform == "win32":
        return  # the parent holds it in a job object
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no gigabytes behind
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime + seconds) + 60
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def resident(pid: int) -> int | None:
    """The bytes of memory that a process holds; None when the system does not tell."""
    try:
        if sys.platform == "linux":
            return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        if sys.platform == "darwin":
            done = subprocess.run(
                ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, encoding="ascii", timeout=5
            )
            return int(done.stdout) * 1024
        if sys.platform == "win32":
            return _windows_committed(pid)
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        pass
    return None


def hold_on_windows(pid: int, megabytes: int) -> Any:
    """Put the process into a job object: so much memory beyond what it has, no child processes, ended with the handle.

    Returns the handle, which must be kept (and closed by `release`); None on other systems.
    """
    if sys.platform != "win32":
        return None
    import ctypes
    from ctypes import wintypes

    class Basic(ctypes.Structure):
        _fields_ = [
            ("process_time", ctypes.c_int64),
            ("job_time", ctypes.c_int64),
            ("flags", wintypes.DWORD),
            ("minimum_working_set", ctypes.c_size_t),
            ("maximum_working_set", ctypes.c_size_t),
            ("active_processes", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("priority", wintypes.DWORD),
            ("scheduling", wintypes.DWORD),
        ]

    class Extended(ctypes.Structure):
        _fields_ = [
            ("basic", Basic),
            ("io", ctypes.c_uint64 * 6),
            ("process_memory", ctypes.c_size_t),
            ("job_memory", ctypes.c_size_t),
            ("peak_process", ctypes.c_size_t),
            ("peak_job", ctypes.c_size_t),
        ]

    active_process, process_memory, kill_on_close = 0x8, 0x100, 0x2000
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = wintypes.HANDLE
    kernel.OpenProcess.restype = wintypes.HANDLE
    job = kernel.CreateJobObjectW(None, None)
    limits = Extended()
    limits.basic.flags = active_process | process_memory | kill_on_close
    limits.basic.active_processes = 1
    limits.process_memory = (_windows_committed(pid) or 2**30) + megabytes * 2**20
    extended_limits = 9
    kernel.SetInformationJobObject(wintypes.HANDLE(job), extended_limits, ctypes.byref(limits), ctypes.sizeof(limits))
    set_quota, terminate = 0x100, 0x1
    process = kernel.OpenProcess(set_quota | terminate, False, pid)
    kernel.AssignProcessToJobObject(wintypes.HANDLE(job), wintypes.HANDLE(process))
    kernel.CloseHandle(wintypes.HANDLE(process))
    return job


def release(job: Any) -> None:
    """Close the handle of a job object."""
    if job is not None and sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        ctypes.WinDLL("kernel32").CloseHandle(wintypes.HANDLE(job))


def _windows_committed(pid: int) -> int | None:
    found = windows_memory(pid)
    return found[1] if found else None
