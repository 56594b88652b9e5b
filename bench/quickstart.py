"""The main job as a new user runs it: `python start.py` in a fresh clone of HEAD, from nothing to the chat.

The packages come from wherever pip or uv find them for this user; without a terminal a sample conversation stands for
the chat. Every bar is read from the record that the quickstart itself writes. About six minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _record import ROOT, bar, record

from fledge.world import World
from fledge.world.sample import Sample, sample

PYTHON = getattr(sys, "_base_executable", sys.executable)  # the user's own, not that of our .venv
NOT_A_NEW_USERS = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "FLEDGE_RUNS", "FLEDGE_CACHE")


def start(clone: Path, *words: str, lang: str = "en", typed: str = "") -> tuple[list[tuple[float, str]], float]:
    """Run `python start.py WORDS`: its lines with the second at which each came, and the wall time of it all."""
    print("$ python start.py", *words, flush=True)
    env = {key: value for key, value in os.environ.items() if key not in NOT_A_NEW_USERS}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [PYTHON, "start.py", *words],
        cwd=clone,
        env=env | {"FLEDGE_LANG": lang, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None and process.stdin is not None
    process.stdin.write(typed)
    process.stdin.close()
    lines = []
    for line in process.stdout:
        lines.append((time.perf_counter() - begun, line.rstrip()))
        print(line, end="", flush=True)
    if process.wait():
        raise SystemExit(f"start.py ended with code {process.returncode}")
    return lines, time.perf_counter() - begun


def read_run(clone: Path, name: str) -> dict[str, Any]:
    return json.loads((clone / "runs" / name / "run.json").read_text(encoding="utf-8"))


def spoken(lines: list[tuple[float, str]]) -> list[str]:
    """What was said in a chat without a terminal: questions begin with '>', answers follow."""
    texts = [text.strip() for _, text in lines]
    begin = next(i for i, text in enumerate(texts) if text.startswith("> "))
    return [text for text in texts[begin:] if text]


def printed(lines: list[tuple[float, str]]) -> list[str]:
    """The sample conversation that the quickstart prints."""
    texts = [text for _, text in lines]
    begin = next(i for i, text in enumerate(texts) if "A sample conversation" in text)
    end = next(i for i, text in enumerate(texts) if i > begin and not text)
    return [text.strip() for text in texts[begin + 1 : end]]


def wrong(asked: list[Sample], said: list[str]) -> list[str]:
    """The wrong ones of the answers in a conversation of questions ("> …") and answers."""
    answers = [text for text in said if not text.startswith("> ")]
    return [text for one, text in zip(asked, answers, strict=True) if not one.right(text)]


def bars(
    seconds: float, pretrained: dict[str, Any], tuned: dict[str, Any], num_wrong: dict[str, int]
) -> dict[str, Any]:
    """What the quickstart must reach. A bit more than the floor costs at most 8 %; shares are of the questions asked."""
    rates = tuned["rates"]
    return {
        "seconds to the chat": bar(seconds, "<=", 480),
        "bits per byte above the floor": bar(tuned["bits"]["all"]["above_floor"], "<=", 0.08),
        "facts, seen forms": bar(rates["fact_seen_form"]["value"], ">=", 0.90),
        "facts, held-out forms": bar(rates["fact_heldout_form"]["value"], ">=", 0.70),
        "instruction format": bar(rates["format"]["value"], ">=", 0.95),
        **{f"wrong answers in the conversation, {lang}": bar(n, "<=", 0) for lang, n in num_wrong.items()},
        "instruction format of the pretrained model": bar(pretrained["rates"]["format"]["value"], "<", 0.20),
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the world, the weights and the order")
    parser.add_argument("--smoke", action="store_true", help="the tiny world, and no result file")
    parser.add_argument("--keep", type=Path, help="copy the runs there, for docs/pictures.py")
    chosen = parser.parse_args(argv)
    words = (["--size", "tiny"] if chosen.smoke else []) + (["--seed", str(chosen.seed)] if chosen.seed else [])

    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "fledge"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        commit = subprocess.run(
            ["git", "-C", str(clone), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        ).stdout.strip()
        lines, seconds = start(clone, *words)
        set_up = next(second for second, text in lines if text.startswith("Set up in"))
        _, again = start(clone, "doctor")
        world = World.build("tiny" if chosen.smoke else "small", chosen.seed)
        asked = "".join(one.question + "\n" for one in sample(world, "zh"))
        chinese, _ = start(clone, "chat", "quickstart-sft", "--temperature", "0", lang="zh", typed=asked)
        pretrained, tuned = read_run(clone, "quickstart-pretrain"), read_run(clone, "quickstart-sft")
        if chosen.keep:
            shutil.copytree(clone / "runs", chosen.keep, dirs_exist_ok=True)
    stages = tuned["results"]["stages"]
    conversation = {"en": printed(lines), "zh": spoken(chinese)}
    num_wrong = {lang: len(wrong(sample(world, lang), said)) for lang, said in conversation.items()}
    record(
        "quickstart",
        smoke=chosen.smoke,
        clone_of=commit,
        seeds=[chosen.seed],
        seconds=round(seconds, 1),
        set_up_seconds=round(set_up, 1),
        job_seconds=round(seconds - set_up, 1),
        pretrain_seconds=pretrained["results"]["seconds"],
        sft_seconds=tuned["results"]["seconds"],
        second_call_doctor_seconds=round(again, 1),
        parameters=pretrained["model"]["num_parameters"]["total"],
        bars=bars(seconds, stages["pretrain"], stages["sft"], num_wrong),
        stages=stages,
        conversation=conversation,
    )


if __name__ == "__main__":
    main()
