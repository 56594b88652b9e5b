"""One task of bench/lora.py: intents of bank customers, the model with examples in its prompt against LoRA on such examples.

The ten intents that come most often of banking77. Few-shot is given every chance: all labels in its prompt, none, ten or twenty
examples as turns of the model's own chat format, and of these prompts the one counts that does best on the rows that are measured.
What LoRA reads is the bare message under one line of instruction.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path
from typing import Any

from fledge.api import LM
from fledge.recipes.measures import exact

INTENTS, TRAINED, MEASURED = 10, 40, 8  # intents; rows of each to train on, and held-out ones
SHOTS = (0, 1, 2)  # examples of every intent in the prompt
TASK = "Name the intent of the customer's message."
Row = tuple[str, str]


def read(folder: Path) -> tuple[list[Row], list[Row]]:
    """(message, intent): those to train on, and held-out ones of the set's own test file, as many of every intent."""
    parts = []
    for name in ("train", "test"):
        with (folder / f"banking77_{name}.csv").open(encoding="utf-8", newline="") as file:
            parts.append([(row["text"], row["category"]) for row in csv.DictReader(file)])
    kept = [intent for intent, _ in Counter(intent for _, intent in parts[0]).most_common(INTENTS)]
    found = []
    for part, count in zip(parts, (TRAINED, MEASURED)):
        found.append([(text, words(i)) for i in kept for text, own in [r for r in part if r[1] == i][:count]])
    return found[0], found[1]


def words(intent: str) -> str:
    """Without underscores: the model has read words."""
    return intent.replace("_", " ").lower()


def turns(system: str, shots: list[Row], message: str) -> list[dict[str, str]]:
    said = [{"role": "system", "content": system}]
    for text, intent in shots:
        said += [{"role": "user", "content": text}, {"role": "assistant", "content": intent}]
    return [*said, {"role": "user", "content": message}]


def share(lm: LM, system: str, shots: list[Row], held_out: list[Row]) -> float:
    """Greedy answers that are the intent, whatever their case and punctuation."""
    said = lm.complete([turns(system, shots, text) for text, _ in held_out], temperature=0.0, max_new_tokens=16)
    return sum(exact(answer.text, intent) for (_, intent), answer in zip(held_out, said)) / len(held_out)


def few_shot(lm: LM, train: list[Row], held_out: list[Row], seed: int) -> dict[str, float]:
    """Prompt -> share of right answers."""
    labels = sorted({intent for _, intent in train})
    listed = f"{TASK} Answer with one of: {', '.join(labels)}."
    draw, found = random.Random(seed), {}
    for count in SHOTS:
        shots = [r for i in labels for r in draw.sample([row for row in train if row[1] == i], count)]
        draw.shuffle(shots)
        found[f"labels and {len(shots)} examples"] = share(lm, listed, shots, held_out)
    return found


def rows(train: list[Row]) -> list[dict[str, Any]]:
    return [{"conversations": [*turns(TASK, [], t), {"role": "assistant", "content": i}]} for t, i in train]
