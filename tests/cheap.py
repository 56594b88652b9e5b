"""What makes dear things cheap in tests that are about something else: no new process, and a quickstart that learns nothing."""

from __future__ import annotations

import dataclasses
import io
import runpy
import sys
from pathlib import Path

import pytest


def run_script(path: Path, *words: str, folder: Path, stdin: str = "") -> int:
    """The exit code of `python path words`, typed in `folder`, without another process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(path.parent))
        patch.setattr(sys, "argv", [str(path), *words])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def little_quickstart(monkeypatch, size: str = "tiny", **changes: int) -> None:
    """From here `fledge quickstart` has too little of everything to learn anything, and nobody to talk to."""
    from fledge.cli import quickstart, quickstart_align

    small = {"text_bytes": 30_000, "pretrain_steps": 3, "conversations": 200, "sft_steps": 3, "probes": 2} | changes
    monkeypatch.setitem(quickstart.RECIPES, size, dataclasses.replace(quickstart.RECIPES[size], **small))
    least = {"names": 6, "lora_steps": 2, "pairs": 24, "dpo_steps": 2, "asked": 6, "grpo_steps": 2}
    monkeypatch.setitem(quickstart_align.AMOUNTS, size, quickstart_align.Amounts(**least))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
