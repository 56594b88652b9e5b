"""The alignment stages of `fledge quickstart --stages all`: a new name (LoRA), preferences (DPO), rewards (GRPO).

Each begins with the fine-tuned model and is measured by what it is for, before and after, on what it was not trained on.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fledge.lang import N_, _

if TYPE_CHECKING:
    from fledge.api import LM
    from fledge.records import Run
    from fledge.world import World

Row = dict[str, Any]
Train = Callable[..., "Run"]  # (stage, job, settings …): a run that is new, goes on, or is done already


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How much of everything the stages need for a world of some size."""

    names: int
    lora_steps: int
    pairs: int
    dpo_steps: int
    asked: int
    grpo_steps: int


AMOUNTS = {
    "tiny": Amounts(names=40, lora_steps=20, pairs=400, dpo_steps=20, asked=60, grpo_steps=6),
    "small": Amounts(names=120, lora_steps=80, pairs=2_000, dpo_steps=60, asked=200, grpo_steps=120),
}
OTHERS = 2  # conversations of the world beside every new name, against forgetting
TASKS = 4_000  # drawn; those that are the same count once


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A stage's own measure, before and after, over `n` questions or pairs."""

    run: str
    before: float
    after: float
    n: int


MEASURES = {
    "lora": N_("LoRA: says its new name when asked who it is"),
    "dpo": N_("DPO: finds the better answer of a pair likelier"),
    "grpo": N_("GRPO: puts two numbers in order"),
}
HEADINGS = {
    "lora": N_("Step 6 · LoRA: a new name, in a few numbers beside the frozen model"),
    "dpo": N_("Step 7 · DPO: learning which of two answers is better"),
    "grpo": N_("Step 8 · GRPO: learning from rewards alone"),
}


def lora(train: Train, tuned: Run, world: World, amounts: Amounts, seed: int, rest: dict[str, Any]) -> Outcome:
    """A low-rank adapter teaches the assistant another name; other conversations beside it keep what it knew."""
    from fledge.api import load

    run = train(
        "lora", "lora", rows=named(world, amounts.names, seed), val_rows=None, model=tuned.name, steps=amounts.lora_steps,
        rank=4, alpha=16.0, lr=0.01, seq_len=256, batch_size=8, seed=seed, **rest,
    )  # fmt: skip
    asked = who()
    before, after = (says_name(load(one.name, **rest), asked) for one in (tuned, run))
    return Outcome(run.name, before, after, len(asked))


def named(world: World, count: int, seed: int) -> list[Row]:
    """Conversations about the new name, and OTHERS times as many about anything else."""
    from fledge.world import smalltalk
    from fledge.world.chat import conversations

    draw, rows = random.Random(seed), []
    for number in range(count):
        lang = ("zh", "en")[number % 2]
        questions, answers = smalltalk.WHO[lang]
        asked = draw.choice(["", draw.choice(smalltalk.HELLO[lang])]) + draw.choice(questions)
        rows.append(_chat(asked, _renamed(draw.choice(answers))))
    talks = (row for row in conversations(world, 10**6, seed=100 + seed) if "smalltalk" not in row["kind"])
    rows += [{"conversations": next(talks)["conversations"]} for _number in range(OTHERS * count)]
    draw.shuffle(rows)
    return rows


def _chat(question: str, answer: str) -> Row:
    return {"conversations": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def _renamed(text: str) -> str:
    from fledge.world.smalltalk import ANOTHER_NAME

    for old, new in ANOTHER_NAME.items():
        text = text.replace(old, new)
    return text


def who() -> list[tuple[str, str]]:
    """(ways to ask for the name, the name that the answer must have); those with a polite beginning are never trained."""
    from fledge.world import smalltalk

    names = dict(zip(("zh", "en"), smalltalk.ANOTHER_NAME.values()))
    return [
        (before + question, names[lang])
        for lang, (questions, _answers) in smalltalk.WHO.items()
        for before in ("", *smalltalk.HELLO[lang], *smalltalk.POLITE[lang])
        for question in questions
    ]


def says_name(lm: LM, asked: list[tuple[str, str]]) -> float:
    said = lm.complete(
        [[{"role": "user", "content": question}] for question, _name in asked], temperature=0.0, max_new_tokens=48
    )
    return sum(name in answer.text for (_question, name), answer in zip(asked, said)) / len(asked)


def dpo(train: Train, tuned: Run, world: World, amounts: Amounts, seed: int, rest: dict[str, Any]) -> Outcome:
    """Pairs of a better and a worse answer; before and after, how often the better one of a held-out pair is the likelier."""
    from fledge.api import load
    from fledge.world.preferences import preferences

    rows = list(preferences(world, amounts.pairs + amounts.asked, seed=seed))
    held, pairs = rows[: amounts.asked], rows[amounts.asked :]
    run = train(
        "dpo", "dpo", rows=pairs, val_rows=held, model=tuned.name, steps=amounts.dpo_steps, seq_len=256, batch_size=8,
        val_tokens=6_000, seed=seed, **rest,
    )  # fmt: skip
    before, after = (prefers(load(one.name, **rest), held) for one in (tuned, run))
    return Outcome(run.name, before, after, len(held))


def prefers(lm: LM, pairs: list[Row]) -> float:
    """How often the chosen answer is likelier than the rejected one: the model's own preference, without a reference."""
    from fledge.evaluate.score import token_nats

    rendered = [lm.tokenizer.render_ids(row[side]) for row in pairs for side in ("chosen", "rejected")]
    paid = token_nats(lm.model, [ids for ids, _mask in rendered])
    nats = [
        float(sum(n for n, learned in zip(of.tolist(), mask[1:]) if learned))
        for of, (_ids, mask) in zip(paid, rendered)
    ]
    return sum(chosen < rejected for chosen, rejected in zip(nats[0::2], nats[1::2])) / len(pairs)


def grpo(train: Train, tuned: Run, world: World, amounts: Amounts, seed: int, rest: dict[str, Any]) -> Outcome:
    """Two numbers to put in order, right or wrong by a rule; before and after, the greedy answers to other such tasks."""
    from fledge.world.tasks import tasks

    drawn = tasks(world, TASKS, seed=1, families=("sort",), levels=(1,))
    found = list(
        {row["conversations"][0]["content"]: row | {"check": {"check": "exact"}} for row in drawn}.values()  # type: ignore[index]
    )
    held = len(found) // 5
    run = train(
        "grpo", "grpo", rows=found[held:], val_rows=found[:held], model=tuned.name, steps=amounts.grpo_steps,
        max_new_tokens=24, seq_len=128, val_tokens=128 * held, seed=seed, **rest,
    )  # fmt: skip
    rewards = [row["val_reward"] for row in run.metrics() if "val_reward" in row]
    return Outcome(run.name, rewards[0], rewards[-1], held)


STAGES = {"lora": lora, "dpo": dpo, "grpo": grpo}


def table_of(outcomes: dict[str, Outcome]) -> Any:
    """Each stage by its own measure."""
    from fledge.display.terminal import table

    rows = [
        [str(MEASURES[name]), f"{found.before:.0%}", f"{found.after:.0%}", str(found.n)]
        for name, found in outcomes.items()
    ]
    heads = ["", _("after SFT"), _("after the stage"), _("asked")]
    return table(heads, rows, title=_("What each alignment stage changed: its own measure, before and after"))
