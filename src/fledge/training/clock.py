"""Working time of a run. A suspended laptop or a stopped process must not eat a budget or spoil the time left."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

PAUSE = 60.0  # a step that is this long, and so many times longer than usual, was no work
TIMES = 20.0
RECENT = 50  # steps whose median is the usual one: a machine that gets hot and slow shows within these


class Clock:
    """Seconds worked, over all sessions of a run, and the time that is left."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.earlier = 0.0  # of earlier sessions
        self.paused = 0.0
        self.recent: deque[float] = deque(maxlen=RECENT)
        self.in_steps = 0.0  # of this session; the rest went into validation and checkpoints
        self.started = now()

    def restart(self) -> None:
        """What came before was not part of the work."""
        self.started = self.now()

    @property
    def elapsed(self) -> float:
        return self.earlier + self._session()

    def _session(self) -> float:
        return self.now() - self.started - self.paused

    def step(self, seconds: float) -> float:
        """Count a step that took `seconds`; returns the part that was a pause (0 as a rule)."""
        usual = statistics.median(self.recent) if len(self.recent) >= 5 else None
        pause = 0.0
        if usual is not None and seconds > max(PAUSE, TIMES * usual):
            pause = seconds - usual
            self.paused += pause
        self.recent.append(seconds - pause)
        self.in_steps += seconds - pause
        return pause

    def left(self, steps: int) -> float:
        """Seconds that `steps` more steps will take at the recent pace, with the share that is no step."""
        if not self.recent:
            return 0.0
        return steps * statistics.median(self.recent) * max(1.0, self._session() / max(self.in_steps, 1e-9))
