"""The parent's side of a learner's process: start it, ask it, hold it to its limits, and never believe its silence.

This module loads no torch, so that the child can import it while the parent does.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from fledge.course.grader import limits
from fledge.course.grader.failures import Died, died, too_big, too_slow, too_talkative, unreadable

START_SECONDS = 120  # importing torch from a slow disk; the learner's own clock starts afterwards
PRINTED_MB = 16
PRINTED_LINES = 20
LOOK_SECONDS = 0.02
MEMORY_SECONDS = (
    0.02 if sys.platform == "linux" else 0.25
)  # elsewhere a look at the memory starts a program or a library
ANSWER_LIMIT = 512 * 2**20


class Fresh:
    """A Python that imports what the grader needs and then waits for a learner's file; used once."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fledge-", ignore_cleanup_errors=True)
        work = Path(self._folder.name, "work")
        work.mkdir()
        self.printed = Path(self._folder.name, "printed.txt")
        with self.printed.open("wb") as printed:
            self.process = subprocess.Popen(
                [sys.executable, "-X", "utf8", "-m", "fledge.course.grader.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                cwd=work,
                env=_environment(work),
                start_new_session=True,  # Ctrl-C goes to the parent, which ends the child
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # the same on Windows, and no black window
            )

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)

    def close(self) -> None:
        self.end()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        self._folder.cleanup()


_spares: list[Fresh] = []


def warm_up() -> None:
    """Start a process ahead: the next Child begins at once instead of importing torch. For whoever checks again and again."""
    if not _spares:
        _spares.append(Fresh())


def cool_down() -> None:
    """End the process that was started ahead."""
    while _spares:
        _spares.pop().close()


def _next() -> Fresh:
    while _spares:
        fresh = _spares.pop()
        if fresh.process.poll() is None:
            return fresh
        fresh.close()  # somebody ended it while it waited
    return Fresh()


class Child:
    """One learner's process. Use it as a context manager; `ask` raises Died when no answer came."""

    def __init__(
        self, path: Path, *, seconds: float, memory_mb: int, bank: Path | None = None, forbidden: Sequence[str] = ()
    ) -> None:
        self.path, self.seconds, self.memory_mb, self.bank, self.forbidden = path, seconds, memory_mb, bank, forbidden
        self.left = seconds
        self._pid = 0
        self._memory_limit: int | None = None
        self._next_look = 0.0
        self._job: Any = None
        self._fresh = _next()
        self._process = self._fresh.process
        self._printed = self._fresh.printed
        self._answers: queue.Queue[bytes | None] = queue.Queue()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc: object) -> None:
        self._fresh.end()
        limits.release(self._job)
        self._fresh.close()

    def load(self, source: bytes) -> dict[str, Any] | None:
        """Let the child run the learner's file; the error that it raised, as data."""
        from fledge.course.grader.wire import decode, encode

        deadline = time.monotonic() + START_SECONDS
        threading.Thread(target=self._receive, daemon=True).start()
        ready = decode(self._wait(deadline, START_SECONDS))
        self._pid = ready["pid"]  # in a virtual environment on Windows the process that we started only starts another
        held = limits.resident(self._pid)
        self._memory_limit = None if held is None else held + self.memory_mb * 2**20
        self._job = limits.hold_on_windows(self._pid, self.memory_mb)
        message = {
            "do": "load",
            "source": source,
            "path": str(self.path),
            "bank": None if self.bank is None else str(self.bank),
            "forbidden": list(self.forbidden),
            "memory_mb": self.memory_mb,
            "seconds": float(self.seconds),
        }
        return self._decoded(decode, encode(message))["error"]

    def ask(self, request: dict[str, Any]) -> Any:
        """The CallResult to a request (the fields of `measuring.Request`). Raises Died."""
        from fledge.course.grader.measuring import CallResult
        from fledge.course.grader.wire import decode, encode

        return self._decoded(lambda body: CallResult(**decode(body)), encode({"do": "call", "request": request}))

    def printed(self) -> str:
        """The last lines that the learner's code printed."""
        with contextlib.suppress(OSError), self._printed.open("rb") as file:
            file.seek(max(0, self._printed.stat().st_size - 2**16))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
            return "\n".join(line[:500] for line in lines[-PRINTED_LINES:])
        return ""

    def _decoded(self, decode: Any, body: bytes) -> Any:
        started = time.monotonic()
        # A child that reads nothing would block a large write for ever: another thread writes, and this one looks at the clock.
        threading.Thread(target=self._exchange, args=(body,), daemon=True).start()
        answer = self._wait(started + self.left, self.seconds)
        self.left -= time.monotonic() - started
        try:
            return decode(answer)
        except (ValueError, TypeError, KeyError):
            self._fresh.end()
            raise unreadable() from None

    def _exchange(self, body: bytes) -> None:
        from fledge.course.grader.wire import send

        try:
            send(_pipe(self._process.stdin), body)
        except (OSError, ValueError):
            self._answers.put(None)
            return
        self._receive()

    def _receive(self) -> None:
        from fledge.course.grader.wire import receive

        try:
            self._answers.put(receive(_pipe(self._process.stdout), ANSWER_LIMIT))
        except (OSError, ValueError, MemoryError):
            self._answers.put(None)

    def _wait(self, deadline: float, seconds: float) -> bytes:
        """The next answer, while looking at the clock, the memory and what is printed."""
        while True:
            with contextlib.suppress(queue.Empty):
                body = self._answers.get(timeout=LOOK_SECONDS)
                if body is not None:
                    return body
                with contextlib.suppress(subprocess.TimeoutExpired):
                    raise died(self._process.wait(timeout=2))
                self._fresh.end()  # the pipe is closed, or holds nonsense, and the process lives on
                raise unreadable()
            problem = self._excess(deadline, seconds)
            if problem is not None:
                self._fresh.end()
                raise problem

    def _excess(self, deadline: float, seconds: float) -> Died | None:
        if time.monotonic() > deadline:
            return too_slow(seconds)
        if self._memory_limit is not None and time.monotonic() > self._next_look:
            held = limits.resident(self._pid)
            if held is not None and held > self._memory_limit:
                return too_big(self.memory_mb)
            self._next_look = time.monotonic() + MEMORY_SECONDS
        if self._printed.stat().st_size > PRINTED_MB * 2**20:
            return too_talkative(PRINTED_MB)
        return None


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _environment(work: Path) -> dict[str, str]:
    source = str(Path(__file__).resolve().parents[3])  # this very fledge, installed or not
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    # torch writes into its folder as soon as something is built on the meta device, and leaves its name in the environment
    folders = ("TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "XDG_CACHE_HOME")
    temporary = dict.fromkeys(folders, str(work))
    return {**os.environ, **one, **temporary, "PYTHONPATH": os.pathsep.join(paths)}
