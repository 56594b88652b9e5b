"""`fledge quickstart`: tokenizer, pretraining, fine-tuning, measuring, and a chat with the result.

The world is written first, so everything is known: the text's entropy is the floor of the loss curve, and every answer
is right or wrong. The same measures are taken after every stage; the last table shows what each one changed. With
`--stages all` alignment follows (`quickstart_align.py`). What was stopped goes on when the same command is typed again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import time
from typing import TYPE_CHECKING, Any, Literal

from fledge.cli import flags, quickstart_align
from fledge.cli.parts import Choice
from fledge.cli.quickstart_made import Made
from fledge.errors import Spelling, spelled
from fledge.lang import N_, _, language

if TYPE_CHECKING:
    from rich.console import Console

    from fledge.evaluate.world import WorldReport
    from fledge.records import Run
    from fledge.world import World
    from fledge.world.text import Document


@dataclasses.dataclass
class Flags:
    """From nothing to a chat with a model that you trained, in minutes."""

    size: Literal["tiny", "small"] = "small"
    """Size of the world: small, or tiny (half a minute; for trying things out)."""
    seed: int = 0
    """Seed of the world, the weights and the data order."""
    stages: Literal["basic", "all"] = "basic"
    """basic: pretraining and fine-tuning. all: then LoRA, DPO and GRPO too, each from the fine-tuned model."""
    chat: bool = True
    """End in a chat (in a terminal); otherwise print a sample conversation."""
    json: bool = False
    """Print the measures of every stage as JSON at the end, and no chat."""
    whose: Choice = dataclasses.field(default_factory=Choice)


class Words(Spelling):
    """What a sentence of the trainings inside may tell the user of this verb to type: what the recipe decides has no flag."""

    def __init__(self, chosen: Flags):
        usual = Flags()
        typed = {name: getattr(chosen, name) for name in ("size", "seed", "stages")}
        more = [f" --{name} {value}" for name, value in typed.items() if value != getattr(usual, name)]
        self.command = "fledge quickstart" + "".join(more)

    def flag(self, setting: str, value: object = None) -> str:
        typed = super().flag({"preset": "size"}.get(setting, setting), value)
        return typed if typed.partition(" ")[0] in flags.known_flags(Flags) else ""

    def train(self, job: str) -> str:
        return self.command

    def resume(self, job: str, run: str) -> str:
        return self.command  # it knows its runs


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How much of everything a world of some size needs; found by the runs in docs/LOG.md."""

    preset: str
    vocab_size: int
    text_bytes: int
    pretrain_steps: int
    conversations: int
    sft_steps: int
    probes: int
    shape: dict[str, Any] = dataclasses.field(default_factory=dict)


RECIPES = {
    "tiny": Recipe("cpu-2m", 512, 150_000, 60, 1_500, 40, 20, {"num_hidden_layers": 2}),
    "small": Recipe("cpu-2m", 3072, 3_000_000, 720, 16_000, 560, 100),
}

Train = quickstart_align.Train
STAGES = {"pretrain": N_("after pretraining"), "sft": N_("after SFT")}


def main(argv: list[str]) -> int:
    chosen = flags.parse(Flags, argv, "fledge quickstart")
    with spelled(words := Words(chosen)):
        try:
            return _quickstart(chosen)
        except KeyboardInterrupt:
            print(_("\nstopped. To go on: {again}").format(again=words.command), file=sys.stderr)
            return 130


def _quickstart(chosen: Flags) -> int:
    from fledge.world import World

    if chosen.whose.parts == "mine":
        from fledge.course.mine import used_parts

        used_parts()  # says now, and not in a minute, that there are none
    begun = time.perf_counter()
    quiet: contextlib.AbstractContextManager[Any] = (
        contextlib.redirect_stdout(sys.stderr) if chosen.json else contextlib.nullcontext()
    )
    with quiet:  # with --json, standard output holds the JSON alone
        recipe = RECIPES[chosen.size]
        made = Made(
            _key(chosen, recipe), ["pretrain", "sft", *(quickstart_align.STAGES if chosen.stages == "all" else ())]
        )
        world = World.build(chosen.size, chosen.seed)
        documents = _write_world(world, recipe)
        if "pretrain" not in made.runs:  # a run keeps its own copy
            _train_tokenizer(world, recipe, documents)
        pretrained = _pretrain(made.train, recipe, world, documents, chosen.seed, chosen.whose)
        tuned = _fine_tune(made.train, recipe, world, documents, pretrained, chosen.seed, chosen.whose)
        reports = _measure(world, recipe, {"pretrain": pretrained, "sft": tuned}, chosen.whose)
        seconds = time.perf_counter() - begun
        stages = {name: report.to_dict() for name, report in reports.items()}
        tuned.update(results={"quickstart_seconds": round(seconds, 1), "stages": stages})
        _closing_table(reports, tuned)
        result = {"seconds": round(seconds, 1), "run": tuned.name, "stages": stages}
        if chosen.stages == "all":
            outcomes = _align(made.train, tuned, world, chosen)
            result["alignment"] = {name: dataclasses.asdict(found) for name, found in outcomes.items()}
            result["seconds"] = round(time.perf_counter() - begun, 1)
        _how_long(time.perf_counter() - begun, made)
    if chosen.json:
        print(json.dumps(result, ensure_ascii=False))
    elif chosen.chat and sys.stdin.isatty() and sys.stdout.isatty():
        _chat(pretrained, tuned, chosen.whose)
    else:
        _sample_conversation(world, pretrained, tuned, chosen.whose)
    return 0


def _key(chosen: Flags, recipe: Recipe) -> dict[str, Any]:
    """What makes a quickstart another one."""
    amounts = quickstart_align.AMOUNTS[chosen.size]
    what = {"recipe": dataclasses.asdict(recipe), "alignment": dataclasses.asdict(amounts)}
    return {"size": chosen.size, "seed": chosen.seed} | what | vars(chosen.whose)


def _heading(text: str) -> None:
    console().print(f"\n[bold cyan]■ {text}[/]")


def console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _write_world(world: World, recipe: Recipe) -> list[dict[str, Any]]:
    """The world's text as rows with tagged spans."""
    from fledge.world.text import documents

    _heading(
        _("Step 1 · The world: {num_facts} facts, written down in Chinese and English").format(
            num_facts=len(world.facts)
        )
    )
    found = list(documents(world, num_bytes=recipe.text_bytes))
    for document in found[:6]:
        print(f"    {document.text.splitlines()[0]}")
    size = sum(len(document.text.encode("utf-8")) for document in found)
    print(_("  {length:,} documents, {megabytes:.1f} MB in all").format(length=len(found), megabytes=size / 1e6))
    return [_row(document) for document in found]


def _row(document: Document) -> dict[str, Any]:
    return {"text": document.text, "spans": [(span.start, span.end, span.tag) for span in document.spans]}


def _train_tokenizer(world: World, recipe: Recipe, documents: list[dict[str, Any]]) -> None:
    """Byte-level BPE on the text and on some conversations, so that the template's words are single tokens."""
    from fledge.cli.tokenizer_view import token_view
    from fledge.tokenizer import Tokenizer
    from fledge.world.chat import conversations

    _heading(_("Step 2 · Tokenizer: cutting text into tokens"))
    chats = [
        "\n".join(f"{m['role']}\n{m['content']}" for m in row["conversations"]) for row in conversations(world, 2000)
    ]
    tokenizer = Tokenizer.train([row["text"] for row in documents] + chats, recipe.vocab_size)
    tokenizer.save(_tokenizer_folder())
    for row in documents[:2]:
        console().print(token_view(tokenizer, tokenizer.encode(row["text"])[:24], width=110))


def _tokenizer_folder() -> str:
    from fledge.records import runs_root

    return str(runs_root() / "quickstart-tokenizer")


def _pretrain(
    train: Train, recipe: Recipe, world: World, documents: list[dict[str, Any]], seed: int, whose: Choice
) -> Run:
    """Next-token prediction on the world's text; the floor of the curve is known."""
    from fledge.world.stats import floor as entropy_floor
    from fledge.world.text import documents as write

    _heading(_("Step 3 · Pretraining: learning to go on writing"))
    val = list(write(world, recipe.probes * 15, split="validation"))
    floor = entropy_floor(val)
    line = f"{floor.total.floor:.3f}"
    print(
        _("  The validation text has an entropy floor of {line} bits per byte (bpb): no model can be below it.").format(
            line=line
        )
    )
    return train(
        "pretrain",
        "pretrain",
        rows=documents,
        val_rows=[_row(document) for document in val],
        landmarks={
            "floor": floor.total.floor,
            "floor_by_kind": {tag: share.floor for tag, share in floor.tags.items()},
        },
        tokenizer=_tokenizer_folder(),
        preset=recipe.preset,
        begin="counted",
        steps=recipe.pretrain_steps,
        seq_len=128,
        batch_size=16,
        val_tokens=6_000,
        seed=seed,
        set=recipe.shape,
        **vars(whose),
    )


def _fine_tune(
    train: Train,
    recipe: Recipe,
    world: World,
    documents: list[dict[str, Any]],
    pretrained: Run,
    seed: int,
    whose: Choice,
) -> Run:
    """Conversations: the loss counts the assistant's words only."""
    from fledge.world.chat import conversations

    _heading(_("Step 4 · Supervised fine-tuning (SFT): learning to answer"))
    rows = list(conversations(world, recipe.conversations))
    held_out = recipe.conversations // 50
    return train(
        "sft",
        "sft",
        rows=rows[held_out:],
        val_rows=rows[:held_out],
        replay_rows=documents,
        model=pretrained.name,
        steps=recipe.sft_steps,
        replay_share=0.4,
        seq_len=256,
        batch_size=8,
        val_tokens=3_000,
        seed=seed,
        **vars(whose),
    )


def _measure(world: World, recipe: Recipe, stages: dict[str, Run], whose: Choice) -> dict[str, WorldReport]:
    """The same questions and the same text for the model of every stage."""
    from fledge.api import load
    from fledge.evaluate.world import evaluate_world

    _heading(_("Step 5 · Measuring what each stage changed"))
    reports = {}
    for name, run in stages.items():
        lm = load(run.name, **vars(whose))
        reports[name] = evaluate_world(
            lm.model, lm.tokenizer, world, num_bytes=recipe.probes * 1_000, per_family=recipe.probes
        )
    return reports


MEASURES = ("fact_seen_form", "fact_heldout_form", "format", "arithmetic_seen", "hallucination")


def _closing_table(reports: dict[str, WorldReport], tuned: Run) -> None:
    from fledge.display.terminal import table
    from fledge.evaluate.report import FAMILIES

    first = next(iter(reports.values()))
    bits = [f"{report.bits['all'].bpb:.3f}" for report in reports.values()]
    rows = [[_("bits per byte (lower is better)"), *bits, f"{first.bits['all'].floor:.3f}"]]
    for family in MEASURES:
        rates = [report.rates[family] for report in reports.values()]
        rows.append([str(FAMILIES[family]), *(f"{rate.value:.0%}" for rate in rates), f"{rates[0].chance:.0%}"])
    heads = ["", *(str(STAGES[name]) for name in reports), _("floor / chance")]
    console().print(table(heads, rows, title=_("The same measures after every stage")))
    n, last = first.rates["fact_seen_form"].n, reports["sft"].rates["fact_seen_form"].interval
    print(
        _(
            "  About {n} questions a cell; the 95 % interval of the last fact cell is {low:.0%} to {high:.0%}. "
            "The whole report: fledge eval {tuned}"
        ).format(n=n, low=last[0], high=last[1], tuned=tuned.name)
    )


def _align(train: Train, tuned: Run, world: World, chosen: Flags) -> dict[str, quickstart_align.Outcome]:
    """The alignment stages, one after the other, and what each one changed."""
    amounts, outcomes = quickstart_align.AMOUNTS[chosen.size], {}
    for name, stage in quickstart_align.STAGES.items():
        _heading(str(quickstart_align.HEADINGS[name]))
        outcomes[name] = stage(train, tuned, world, amounts, chosen.seed, vars(chosen.whose))
    console().print(quickstart_align.table_of(outcomes))
    runs = "   ".join(f"fledge chat {found.run}" for found in outcomes.values())
    print(_("  Talk with each of them: {runs}").format(runs=runs))
    return outcomes


def _how_long(seconds: float, made: Made) -> None:
    if made.continued:
        said = _("  Without what was there already, this took {minutes:.1f} minutes.")
    else:
        said = _("  All of this took {minutes:.1f} minutes.")
    print(said.format(minutes=seconds / 60))


def _sample_conversation(world: World, pretrained: Run, run: Run, whose: Choice) -> None:
    """Without a terminal: one conversation, and how to have another."""
    from fledge.api import load
    from fledge.world.sample import sample

    _heading(_("A sample conversation"))
    lm = load(run.name, **vars(whose))
    for asked in [one.question for one in sample(world, language())]:
        print(
            f"  > {asked}\n    {lm.generate([{'role': 'user', 'content': asked}], temperature=0.0, max_new_tokens=64)}"
        )
    _what_next(pretrained, run)


def _chat(pretrained: Run, run: Run, whose: Choice) -> None:
    from fledge.cli import chat

    _what_next(pretrained, run)
    fallback = ["--parts-fallback"] if whose.parts_fallback else []
    chat.main([run.name, "--temperature", "0.3", "--parts", whose.parts, *fallback])


def _what_next(pretrained: Run, run: Run) -> None:
    print(
        _(
            "\n  chat again:    fledge chat {run}\n  see the curve: fledge runs plot {pretrained} --by-kind\n"
            "  your own text: fledge train pretrain --data yours.txt --budget 5m"
        ).format(run=run.name, pretrained=pretrained.name)
    )
