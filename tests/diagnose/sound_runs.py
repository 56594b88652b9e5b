"""Sound training runs of many kinds, for measuring how often `fledge runs check` blames one that nothing is wrong with.

The program is right in all of them; what differs is what learners vary: the job, the length, the rate, the optimizer, how
much data there is and of what kind. `sounds(seed, number)` draws them, `Stock` holds what they are made of.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fledge.api import train
from fledge.data import read_rows
from fledge.interop.minimind import run_script
from fledge.records import Run, list_runs
from fledge.tokenizer import Tokenizer
from fledge.training.config import job_config
from fledge.world import World
from fledge.world.chat import conversations
from fledge.world.stats import floor
from fledge.world.text import documents

SHAPE = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32,
}  # fmt: skip
VOCAB = 512
STEPS = (1, 2, 3, 4, 5, 8, 10, 15, 20, 32, 40, 60, 100, 150, 250, 400)
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)  # times the usual rates
SCRAPS = (  # 1 to 20 tokens
    "a", "好", "hello", "the cat sat on the mat", "春眠不觉晓，处处闻啼鸟。", "abababab", "1 2 3 4 5 6", "To be, or not to be",
)  # fmt: skip
RATES = {  # of MiniMind's scripts: their defaults, what its README and our own advice name, and around them
    "pretrain": (5e-5, 5e-4, 2e-3, 5e-3),
    "full_sft": (1e-6, 1e-5, 1e-4, 5e-4, 1e-3),
}


@dataclass(frozen=True)
class Sound:
    """One sound run: `kind` (pretrain, sft, scrap, door pretrain, door sft) and what it varies."""

    kind: str
    data: str
    steps: int
    factor: float
    seed: int
    optimizer: str = "muon"
    base: str = ""
    val: str = "held out"
    tied: bool = False
    batch_size: int = 8

    @property
    def name(self) -> str:
        words = [self.kind, self.data, str(self.steps), f"x{self.factor:g}", self.optimizer, self.base, self.val]
        return "-".join(word.replace(" ", "_") for word in words if word) + f"-{self.seed}"


def sounds(seed: int, number: int, real: bool) -> list[Sound]:
    """`number` runs: every length and every rate about equally often in each kind. Without `real` text only the world's."""
    choose = random.Random(seed)
    texts = ["world", "little world", "one document"] + (["play", "little play", "mix", "chinese"] if real else [])
    chats = ["chats", "40 chats", "6 chats"] + (["dolly", "oasst", "20 belle"] if real else [])
    decks: dict[str, Iterator[Any]] = {}

    def deal(name: str, cards: Any) -> Any:
        """The next of a shuffled deck, which begins again when it is used up."""
        if name not in decks:
            decks[name] = _endless(list(cards), choose)
        return next(decks[name])

    kinds = ["pretrain"] * 4 + ["sft"] * 4 + ["scrap"] * 3 + ["door pretrain"] * 2 + ["door full_sft"] * 3
    found = []
    for i in range(number):
        kind = kinds[i % len(kinds)]
        job = "scrap" if kind == "scrap" else "sft" if kind.endswith("sft") else "pretrain"
        common = {"kind": kind, "steps": deal(f"{kind} steps", STEPS), "seed": 1000 * seed + i}
        if kind.startswith("door"):
            common["factor"] = deal(f"{kind} rates", RATES[kind.split()[1]])  # a rate, not a factor
            common["data"] = deal(
                kind, [name for name in (texts if job == "pretrain" else chats) if "docu" not in name]
            )
            common["optimizer"] = ""
        else:
            common["factor"] = deal(f"{kind} factors", FACTORS)
            common["optimizer"] = deal(f"{kind} optimizers", ["muon", "muon", "adamw"])
            common["data"] = deal(kind, {"scrap": SCRAPS, "sft": chats, "pretrain": texts}[job])
        if kind == "sft":
            common["base"] = deal("bases", ["good", "good", "weak"])
            common["val"] = deal("sft val", ["held out", "held out", "replay"])
        if kind == "scrap":
            common["val"] = deal("val", ["none", "the same", "another"])
        if kind == "pretrain":
            common["tied"] = deal("tied", [False, False, True])
        if kind in ("pretrain", "sft"):
            common["batch_size"] = deal("batch", [2, 8, 16])
        found.append(Sound(**common))
    return found


def _endless(cards: list[Any], choose: random.Random) -> Iterator[Any]:
    while True:
        choose.shuffle(cards)
        yield from cards


class Stock:
    """Texts, conversations, tokenizers and models to fine-tune, in `folder`; `real` is the folder of real texts, or None."""

    def __init__(self, folder: Path, seed: int = 0, real: Path | None = None) -> None:
        self.folder, self.real = folder, real
        world = World.build("tiny", seed)
        held_out = list(documents(world, 60, split="validation"))
        self.floor = floor(held_out).total.floor
        texts = [document.text for document in documents(world, num_bytes=150_000)]
        chats = list(conversations(world, 1000))
        self.texts: dict[str, tuple[list[Any], list[Any]]] = {
            "world": (texts, [document.text for document in held_out]),
            "little world": (texts[:12], texts[-4:]),
            "one document": (texts[:1], texts[1:2]),
            "chats": (chats[60:], chats[:60]),
            "40 chats": (chats[60:100], chats[:20]),
            "6 chats": (chats[60:66], chats[:3]),
        }
        if real:
            self._real(real)
        spoken = ["\n".join(message["content"] for message in row["conversations"]) for row in chats[:300]]
        written = [text for name in ("play", "mix") for text in self.texts.get(name, ([], []))[0][:200]]
        self.tokenizer = str(folder / "tokenizer")
        Tokenizer.train(texts + spoken + written, VOCAB).save(self.tokenizer)
        for name, steps in (("good", 250), ("weak", 12)):
            rows = texts + self.texts.get("mix", ([], []))[0]
            self._train("pretrain", name, rows, texts[-20:], steps=steps, preset="cpu-2m", set=SHAPE, batch_size=12)
        self._doors()

    def _real(self, real: Path) -> None:
        play = (real / "pretrain/tinyshakespeare.txt").read_text(encoding="utf-8")
        plays = [play[i : i + 800] for i in range(0, 250_000, 800)]
        mixes = {name: _lines(real / f"pretrain/{name}_mix.jsonl.gz", 150) for name in ("en", "zh")}
        self.texts |= {
            "play": (plays[20:], plays[:20]),
            "little play": (plays[20:24], plays[:3]),
            "mix": (mixes["en"][10:] + mixes["zh"][10:], mixes["en"][:10] + mixes["zh"][:10]),
            "chinese": (mixes["zh"][10:], mixes["zh"][:10]),
        }
        for name, file, first, number in (
            ("dolly", "dolly_en", 30, 400),
            ("oasst", "oasst_zh", 30, 200),
            ("20 belle", "belle_seed_zh", 5, 20),
        ):
            rows = [
                json.loads(line)
                for line in (real / f"sft/sft_{file}.jsonl").read_text(encoding="utf-8").splitlines()[:600]
            ]
            rows = [row for row in rows if len(json.dumps(row, ensure_ascii=False)) < 800]
            self.texts[name] = (rows[first : first + number], rows[:first])

    def _doors(self) -> None:
        """A place with MiniMind's folders, and pretrained weights there."""
        import shutil

        self.place = self.folder / "minimind"
        for name in ("trainer", "dataset"):
            (self.place / name).mkdir(parents=True)
        shutil.copytree(self.tokenizer, self.place / "model")
        for name, (rows, _) in self.texts.items():
            lines = [json.dumps(row if isinstance(row, dict) else {"text": row}, ensure_ascii=False) for row in rows]
            (self.place / f"dataset/{name.replace(' ', '_')}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        self.door("pretrain", "mix" if self.real else "world", 250, 2e-3, "pretrain")

    def door(self, script: str, data: str, steps: int, rate: float, weight: str) -> Run:
        """A run of one of MiniMind's scripts, by its own arguments."""
        words = {
            "data_path": f"../dataset/{data.replace(' ', '_')}.jsonl", "max_steps": steps, "learning_rate": rate,
            "hidden_size": 64, "num_hidden_layers": 2, "max_seq_len": 64, "batch_size": 8, "accumulation_steps": 1,
            "save_weight": weight, "dtype": "float32", "device": "cpu", "compat": "v2",
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
            return self.door(script, sound.data, sound.steps, sound.factor, f"w{sound.seed}")
        job = "sft" if sound.kind == "sft" else "pretrain"
        rows, val = ([sound.data], [SCRAPS[0] * 3]) if sound.kind == "scrap" else self.texts[sound.data]
        val = {"none": None, "the same": rows}.get(sound.val, val)
        changes: dict[str, Any] = {"optimizer": sound.optimizer, "seed": sound.seed, "batch_size": sound.batch_size}
        changes |= usual_rates(job, sound.optimizer, sound.factor)
        if job == "sft":
            changes |= {"model": sound.base, "seq_len": 128}
            if sound.val == "replay":
                changes |= {"replay_rows": self.texts["world"][0], "replay_share": 0.4}
        else:
            changes |= {"preset": "cpu-2m", "set": SHAPE | {"tie_word_embeddings": sound.tied}}
        if sound.data == "world":
            changes["landmarks"] = {"floor": self.floor}
        return self._train(job, sound.name, rows, val, steps=sound.steps, **changes)

    def _train(self, job: str, name: str, rows: list[Any], val: list[Any] | None, **settings: Any) -> Run:
        fixed = {"seq_len": 64, "val_tokens": 2000, "precision": "fp32", "tokenizer": self.tokenizer}
        return train(job, run=name, rows=rows, val_rows=val, **{**fixed, **settings})


def usual_rates(job: str, optimizer: str, factor: float) -> dict[str, float]:
    """The job's default rates, all of them times `factor`."""
    config = job_config(job, optimizer=optimizer)
    names = ("lr",) if optimizer == "adamw" else ("lr", "embed_lr", "head_lr", "norm_lr")
    return {name: factor * getattr(config, name) for name in names}


def _lines(path: Path, number: int) -> list[str]:
    """The first texts of a file, none of them long."""
    found = []
    for row in read_rows(path, "text"):
        found.append(row.text[:1500])
        if len(found) == number:
            break
    return found
