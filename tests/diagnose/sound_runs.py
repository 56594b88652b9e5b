"""Sound training runs of many kinds, for measuring how often `fledge runs check` blames one that nothing is wrong with.

The program is right in all of them; what differs is what learners vary: the job, the length, the rate, the optimizer, how
much data there is and of what kind. `sounds(seed, number)` draws them, `Stock` holds what they are made of.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fledge.data import read_rows
from fledge.interop.minimind.doors import run as run_script
from fledge.jobs.settings import job_config
from fledge.records import Run, list_runs
from fledge.world import World
from fledge.world.preferences import preferences
from tests.diagnose.broken_runs import SHAPE, Lab

STEPS = (1, 2, 3, 4, 5, 8, 10, 15, 20, 32, 40, 60, 100, 150, 250, 400)
SCRAPS = (  # 1 to 20 tokens
    "a", "好", "hello", "the cat sat on the mat", "春眠不觉晓，处处闻啼鸟。", "abababab", "1 2 3 4 5 6", "To be, or not to be",
)  # fmt: skip
RATES = {
    "times": (0.1, 0.3, 1.0, 3.0, 10.0),  # the usual ones
    # of MiniMind's scripts: their defaults, what its README and our own advice name, and around them
    "pretrain": (5e-5, 5e-4, 2e-3, 5e-3),
    "full_sft": (1e-6, 1e-5, 1e-4, 5e-4, 1e-3),
}


KINDS = ("pretrain", "sft", "scrap", "door full_sft", "pretrain", "sft", "scrap", "door pretrain", "pretrain", "sft")
KINDS += ("scrap", "door full_sft", "pretrain", "sft", "door full_sft", "door pretrain")
POSTTRAINING = ("lora", "dpo", "reward", "grpo", "distill", "dpo", "lora", "ppo", "spo", "reward", "grpo", "distill")
"""Kinds of a measurement of their own: what is learned from pairs, rewards, a teacher, or beside frozen weights."""


@dataclass(frozen=True)
class Sound:
    """One sound run, by what it varies.

    kind: pretrain, sft, scrap (pretraining on a few tokens), door pretrain, door full_sft (MiniMind's scripts), or the job of
    POSTTRAINING; rate: times
    the usual ones, of a door the rate itself; base: what it fine-tunes; val: what it is validated on, or its manner.
    """

    kind: str
    data: str
    steps: int
    rate: float
    seed: int
    optimizer: str = "muon"
    base: str = ""
    val: str = "held out"
    tied: bool = False
    batch_size: int = 8

    @property
    def name(self) -> str:
        words = [self.kind, self.data, str(self.steps), f"x{self.rate:g}", self.optimizer, self.base, self.val]
        return "-".join(word.replace(" ", "_") for word in words if word) + f"-{self.seed}"


def sounds(seed: int, number: int, real: bool, kinds: Sequence[str] = KINDS) -> list[Sound]:
    """`number` runs: every length, rate and text about equally often in each kind. Without `real` text only the world's."""
    texts = ("world", "little world", "one document") + (("play", "little play", "mix", "chinese") if real else ())
    chats = ("chats", "40 chats", "6 chats") + (("dolly", "oasst", "20 belle") if real else ())
    optimizers, sizes = ("muon", "muon", "adamw"), (2, 8, 16)
    varied: dict[str, dict[str, Sequence[Any]]] = {
        "pretrain": {"data": texts, "optimizer": optimizers, "batch_size": sizes, "tied": (False, False, True)},
        "sft": {
            "data": chats, "optimizer": optimizers, "batch_size": sizes, "base": ("good", "good", "weak"),
            "val": ("held out", "held out", "replay"),
        },
        "scrap": {"data": SCRAPS, "optimizer": optimizers, "val": ("none", "the same", "another")},
        "door pretrain": {
            "data": [name for name in texts if name != "one document"], "rate": RATES["pretrain"],
            "val": ("held out", "held out", "parity"),
        },
        "door full_sft": {"data": chats, "rate": RATES["full_sft"]},
        "lora": {"data": chats, "optimizer": ("adamw",), "batch_size": sizes, "base": ("good", "good", "weak")},
        "distill": {"data": chats, "optimizer": optimizers, "batch_size": sizes},
    }  # fmt: skip
    pairs = {"data": ("pairs", "40 pairs", "6 pairs", "noisy pairs"), "optimizer": optimizers, "batch_size": sizes}
    tasks = {"data": ("tasks", "10 tasks"), "optimizer": optimizers, "batch_size": (4, 8)}
    for kind in ("dpo", "reward"):
        varied[kind] = pairs | {"base": ("good", "good", "weak")}
    for kind in ("grpo", "spo", "ppo"):
        varied[kind] = tasks | {"val": ("length=8", "verifier", "repetition")}
    choose = random.Random(seed)
    decks = {
        kind: {
            name: _endless(cards, choose) for name, cards in ({"steps": STEPS, "rate": RATES["times"]} | cards).items()
        }
        for kind, cards in varied.items()
    }
    return [
        Sound(kind=kind, seed=1000 * seed + i, **{name: next(deck) for name, deck in decks[kind].items()})
        for i, kind in ((i, kinds[i % len(kinds)]) for i in range(number))
    ]


def _endless(cards: Sequence[Any], choose: random.Random) -> Iterator[Any]:
    """A shuffled deck, shuffled anew when it is used up."""
    deck = list(cards)
    while True:
        choose.shuffle(deck)
        yield from deck


class Stock(Lab):
    """Texts and conversations of many sizes and kinds, and models to fine-tune. `real` is the folder of real texts, or None."""

    def __init__(self, folder: Path, seed: int = 0, real: Path | None = None) -> None:
        found = real_texts(real) if real else {}
        also = [text for name in ("play", "mix") if name in found for text in found[name][0][:200]]
        super().__init__(folder, seed, also=also)
        self.folder, self.seed = folder, seed
        texts, chats = self.texts, self.chats
        self.data: dict[str, tuple[list[Any], list[Any]]] = found | {
            "world": (texts, self.val[:60]),
            "little world": (texts[:12], texts[-4:]),
            "one document": (texts[:1], texts[1:2]),
            "chats": (chats[60:1000], chats[:60]),
            "40 chats": (chats[60:100], chats[:20]),
            "6 chats": (chats[60:66], chats[:3]),
        }
        world = World.build("tiny", seed)
        pairs, noisy = list(preferences(world, 660)), list(preferences(world, 300, seed=1, noise=0.25))
        tasks = [
            {"conversations": row["conversations"][:1], "gt": [row["conversations"][1]["content"]]} for row in chats
        ]
        self.data |= {
            "pairs": (pairs[60:], pairs[:60]),
            "40 pairs": (pairs[60:100], pairs[:20]),
            "6 pairs": (pairs[60:66], pairs[:3]),
            "noisy pairs": (noisy[40:], noisy[:40]),
            "tasks": (tasks[60:400], tasks[:20]),
            "10 tasks": (tasks[60:70], tasks[:5]),
        }

    @cached_property
    def weak(self) -> Run:
        """A model that was hardly trained, to fine-tune."""
        return self.pretrain("weak", steps=12)

    @cached_property
    def place(self) -> Path:
        """A place with MiniMind's folders, these data, and pretrained weights."""
        place = self.folder / "minimind"
        for name in ("trainer", "dataset"):
            (place / name).mkdir(parents=True)
        shutil.copytree(self.tokenizer, place / "model")
        for name, (rows, _) in self.data.items():
            lines = [json.dumps(row if isinstance(row, dict) else {"text": row}, ensure_ascii=False) for row in rows]
            (place / f"dataset/{name.replace(' ', '_')}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        self.__dict__["place"] = place  # the next line needs it
        self.door("pretrain", "world", 250, 5e-3, "pretrain")
        return place

    def door(self, script: str, data: str, steps: int, rate: float, weight: str, **more: Any) -> Run:
        """A run of one of MiniMind's scripts, by its own arguments."""
        words = {
            "data_path": f"../dataset/{data.replace(' ', '_')}.jsonl", "max_steps": steps, "learning_rate": rate,
            "hidden_size": 64, "num_hidden_layers": 2, "max_seq_len": 64, "batch_size": 8, "accumulation_steps": 1,
            "save_weight": weight, "dtype": "float32", "device": "cpu", "compat": "v2", **more,
        }  # fmt: skip
        here, before = os.getcwd(), {run.path for run in list_runs()}
        try:
            os.chdir(self.place / "trainer")
            argv = [word for name, value in words.items() for word in (f"--{name}", str(value))]
            code = run_script(script, str(self.place / f"trainer/train_{script}.py"), argv)
        finally:
            os.chdir(here)
        assert code == 0, (script, words)
        return next(run for run in list_runs() if run.path not in before)

    def make(self, sound: Sound) -> Run:
        """Train it."""
        if sound.kind.startswith("door"):
            script = sound.kind.split()[1]
            parity = {"parity": 1} if sound.val == "parity" else {}
            return self.door(script, sound.data, sound.steps, sound.rate, f"w{sound.seed}", **parity)
        if sound.kind in POSTTRAINING:
            return self.posttrain(sound)
        job = "sft" if sound.kind == "sft" else "pretrain"
        rows, val = ([sound.data], [SCRAPS[0] * 3]) if sound.kind == "scrap" else self.data[sound.data]
        changes: dict[str, Any] = {
            "rows": rows, "val_rows": {"none": None, "the same": rows}.get(sound.val, val), "steps": sound.steps,
            "optimizer": sound.optimizer, "seed": sound.seed, "batch_size": sound.batch_size, "val_tokens": 2000,
        }  # fmt: skip
        changes |= usual_rates(job, sound.optimizer, sound.rate)
        if job == "pretrain":
            landmarks = self.landmarks if sound.data == "world" else {}
            shape = SHAPE | {"tie_word_embeddings": sound.tied}
            return self.pretrain(sound.name, **changes, landmarks=landmarks, set=shape)
        changes["model"] = self.weak.name if sound.base == "weak" else self.sound.name
        if sound.val == "replay":
            changes |= {"replay_rows": self.texts, "replay_share": 0.4}
        return self.sft(sound.name, **changes)

    def posttrain(self, sound: Sound) -> Run:
        """A run of one of POSTTRAINING."""
        rows, val = self.data[sound.data]
        settings: dict[str, Any] = {
            "rows": rows, "val_rows": val, "steps": sound.steps, "optimizer": sound.optimizer, "seed": sound.seed,
            "batch_size": sound.batch_size, "seq_len": 256, "val_tokens": 2000,
        }  # fmt: skip
        settings |= usual_rates(sound.kind, sound.optimizer, sound.rate)
        if sound.kind == "distill":
            narrow = {**SHAPE, "hidden_size": 32, "num_attention_heads": 1, "num_key_value_heads": 1}
            settings |= {"teacher": self.sound.name, "preset": "cpu-2m", "set": narrow, "kind": "chat"}
        else:
            settings["model"] = self.weak.name if sound.base == "weak" else self.sound.name
        if sound.kind in ("grpo", "spo", "ppo"):
            settings |= {"rewards": [sound.val], "max_new_tokens": 12}
        return self.run(sound.kind, sound.name, settings)


def real_texts(real: Path) -> dict[str, tuple[list[Any], list[Any]]]:
    """Name -> (training rows, validation rows), of the shared data."""
    play = (real / "pretrain/tinyshakespeare.txt").read_text(encoding="utf-8")
    plays = [play[i : i + 800] for i in range(0, 250_000, 800)]
    mixes = {name: _first_texts(real / f"pretrain/{name}_mix.jsonl.gz", 150) for name in ("en", "zh")}
    found: dict[str, tuple[list[Any], list[Any]]] = {
        "play": (plays[20:], plays[:20]),
        "little play": (plays[20:24], plays[:3]),
        "mix": (mixes["en"][10:] + mixes["zh"][10:], mixes["en"][:10] + mixes["zh"][:10]),
        "chinese": (mixes["zh"][10:], mixes["zh"][:10]),
    }
    files = (("dolly", "dolly_en", 30, 400), ("oasst", "oasst_zh", 30, 200), ("20 belle", "belle_seed_zh", 5, 20))
    for name, file, first, number in files:
        lines = (real / f"sft/sft_{file}.jsonl").read_text(encoding="utf-8").splitlines()[:600]
        rows = [json.loads(line) for line in lines if len(line) < 800]
        found[name] = (rows[first : first + number], rows[:first])
    return found


def usual_rates(job: str, optimizer: str, factor: float) -> dict[str, float]:
    """The job's default rates, all of them times `factor`."""
    config = job_config(job, optimizer=optimizer).with_rates()
    names = ("lr",) if optimizer == "adamw" else ("lr", "embed_lr", "head_lr", "norm_lr")
    return {name: factor * getattr(config, name) for name in names}


def _first_texts(path: Path, number: int) -> list[str]:
    """The first texts of a file, none of them long."""
    found = []
    for row in read_rows(path, "text"):
        found.append(row.text[:1500])
        if len(found) == number:
            break
    return found
