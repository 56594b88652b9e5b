"""What a person sees while a run goes on: one bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console as Rich
from rich.progress import BarColumn

from fledge.display.terminal import progress
from fledge.lang import _

EVERY = 15.0  # seconds between lines when no terminal is there


class Console:
    """Progress, loss, speed and time left. `with` it: a bar must be closed."""

    def __init__(self, steps: int | None):
        self.steps = steps
        self.out = Rich(highlight=False)
        self.last = time.perf_counter()
        self.smooth: float | None = None
        self.bar = progress(BarColumn(bar_width=24), "{task.description}", console=self.out)
        self.task = self.bar.add_task("", total=1.0)
        self.live = sys.stdout.isatty()

    def __enter__(self) -> Console:
        if self.live:
            self.bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.live:
            self.bar.stop()

    def landmarks(self, values: dict[str, Any]) -> None:
        """Where the curve begins and what nothing can beat, so that every later number can be read against them."""
        if (indifferent := values.get("indifferent")) is not None:
            line = _("  landmarks: a model that prefers nothing has a loss of {indifferent:.3f}")
            self.out.print(line.format(indifferent=indifferent), style="dim", soft_wrap=True)
        if "start" not in values:
            return
        start, floor = f"ln V = {values['start']:.3f}", values.get("floor")
        line = _("  landmarks: knowing nothing costs {start} nats a token").format(start=start)
        if (teacher := values.get("teacher")) is not None:
            line += _("; the teacher's own loss is {teacher:.3f}").format(teacher=teacher)
        if floor is not None:
            line += _("; the floor of this text is {floor:.3f} bits a byte").format(floor=floor)
        self.out.print(line, style="dim", soft_wrap=True)

    def say(self, sentence: str) -> None:
        """Something that the person should know, above the bar."""
        self.out.print(f"  {sentence}", style="yellow", soft_wrap=True)

    def step(self, fields: dict[str, Any], progress: float, left: float) -> None:
        """One step's figures; `left` in seconds."""
        speed = fields["tokens_per_second"]
        self.smooth = speed if self.smooth is None else 0.9 * self.smooth + 0.1 * speed
        of = f"/{self.steps}" if self.steps else ""
        done, loss, rate = f"{fields['step']}{of}", f"{fields['loss']:.3f}", f"{self.smooth:,.0f}"
        text = _("step {done}  loss {loss}  {rate} tok/s  {time_left} left").format(
            done=done, loss=loss, rate=rate, time_left=_clock(left)
        )
        if self.live:
            self.bar.update(self.task, completed=min(progress, 1.0), description=text)
        elif time.perf_counter() - self.last > EVERY:
            self.last = time.perf_counter()
            self.out.print(f"  {100 * min(progress, 1):3.0f} %  {text}", soft_wrap=True)

    def validation(self, step: int, measures: dict[str, Any], samples: list[dict[str, str]]) -> None:
        if not measures and not samples:
            return
        figures = "  ".join(
            f"{name.removeprefix('val_')} {value:.3f}" for name, value in measures.items() if isinstance(value, float)
        )
        line = _("  step {step:>5}").format(step=step)
        if figures:
            line += _("  [bold]validation[/]  {figures}").format(figures=figures)
        self.out.print(line, soft_wrap=True)
        for sample in samples:
            line = " ".join((sample["prompt"] + "▸" + sample["text"]).split())
            self.out.print(f"         {line[:110]}", style="dim", markup=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
