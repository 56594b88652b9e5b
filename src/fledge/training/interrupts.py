"""Ctrl-C, `kill` and a closed terminal stop a run between two steps: half an update could not be resumed exactly."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

# Those that this system has: Ctrl-C, kill, a closed terminal (POSIX), Ctrl-Break and a closed console (Windows).
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


@contextlib.contextmanager
def stop_between_steps(stop: Callable[[], None]) -> Iterator[None]:
    """The first signal calls `stop` and waits for the end of the step; a second one does not wait.

    Only the main thread may handle signals. A signal that is ignored (a job in the background, nohup) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        stop()

    before = {s: signal.signal(s, handle) for s in SIGNALS if signal.getsignal(s) != signal.SIG_IGN}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
