"""`fledge recipe list|show|run`: a task from rows to a measured model in one command."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fledge.cli.flags import parse, subverb
from fledge.errors import UserError
from fledge.lang import _, both

if TYPE_CHECKING:
    from fledge.api import LM
    from fledge.recipes import Chat, Recipe


@dataclass
class RunFlags:
    """Make the rows of a recipe, measure the model on some that are held out, fine-tune it on the others, and measure again."""

    recipe: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE")]
    """its name; `fledge recipe list` shows them"""
    model: str
    """the model to start from: a run, or a model folder"""
    data: str | None = None
    """the file of rows; a recipe of the small world needs none"""
    test: str | None = None
    """the file to measure on; default: every tenth row of the data"""
    fill: Annotated[list[str], tyro.conf.arg(metavar="NAME=WORD …")] = field(default_factory=list)
    """words for the slots of the rows, e.g. name=Robin"""
    run: str | None = None
    """name of the run"""
    steps: int | None = None
    """optimizer steps, instead of the recipe's epochs"""
    budget: str | None = None
    """time, instead of the recipe's epochs"""
    questions: int = 100
    """rows to measure on at most"""
    seed: int = 0
    """seed of the run"""
    device: str = "auto"
    """auto, cpu, cuda or mps"""
    json: bool = False
    """print the result as JSON"""


def main(argv: list[str]) -> int:
    table = {
        "list": (listed, both("the recipes")),
        "show": (show, both("the file of a recipe")),
        "run": (run, both("rows, training and measure in one")),
    }
    return subverb(table, argv, "fledge recipe")


def listed(argv: list[str]) -> int:
    from fledge.recipes import find_recipe, names

    parse(list, argv, "fledge recipe list")
    for name in names():
        print(f"{name:<20}{find_recipe(name).about}")
    return 0


def show(argv: list[str]) -> int:
    from fledge.recipes import FOLDER, find_recipe

    def which(recipe: Annotated[str, tyro.conf.Positional]) -> str:
        """Print the file of a recipe.

        Args:
            recipe: its name
        """
        return recipe

    print((FOLDER / f"{find_recipe(parse(which, argv, 'fledge recipe show')).name}.yaml").read_text(encoding="utf-8"))
    return 0


def run(argv: list[str]) -> int:
    flags = parse(RunFlags, argv, "fledge recipe run")
    import contextlib
    import sys

    from fledge.api import load, train
    from fledge.recipes import find_recipe

    recipe = find_recipe(flags.recipe)
    rows, held = _rows(recipe, flags)
    held = held[: flags.questions]
    settings: dict[str, Any] = dict(recipe.settings)
    if flags.steps or flags.budget:
        settings.pop("epochs", None)
        settings |= {"steps": flags.steps} if flags.steps else {"budget": flags.budget}
    with contextlib.redirect_stdout(sys.stderr) if flags.json else contextlib.nullcontext():
        before = _marks(recipe, load(flags.model, device=flags.device), held)
        made = train(
            "sft", rows=rows, val_rows=held, model=flags.model, run=flags.run, seed=flags.seed, device=flags.device, **settings
        )  # fmt: skip
        after = _marks(recipe, load(made.name, device=flags.device), held)
    result = {"recipe": recipe.name, "run": made.name, "measure": recipe.measure, "questions": len(held)}
    result |= {"before": round(sum(before) / len(held), 4), "after": round(sum(after) / len(held), 4)}
    made.update(results={"recipe": result})
    if flags.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(
            _(
                "{measure} on {questions} questions that it was not trained on: {before:.1%} before, {after:.1%} after"
            ).format(**result)
        )
        print(_("try it: {words}").format(words=f"fledge chat {made.name}"))
    return 0


def _rows(recipe: Recipe, flags: RunFlags) -> tuple[list[Chat], list[Chat]]:
    from fledge.recipes import rows_of_file, split
    from fledge.recipes.made import MAKERS
    from fledge.world import World

    fill = dict(recipe.fill)
    for pair in flags.fill:
        name, equals, word = pair.partition("=")
        if not equals or name not in recipe.fill:
            raise UserError(
                _("--fill {pair}: write NAME=WORD; the recipe '{recipe}' has the names {names}.").format(
                    pair=pair, recipe=recipe.name, names=", ".join(recipe.fill) or "–"
                )
            )
        fill[name] = word
    if recipe.world and not flags.data:
        rows = MAKERS[recipe.world](World.build("small", 0))
    elif not flags.data:
        raise UserError(
            _(
                "the recipe '{recipe}' needs a file: give it with --data (`fledge recipe show {recipe}` says which)."
            ).format(recipe=recipe.name)
        )
    elif recipe.world:
        raise UserError(_("the recipe '{recipe}' makes its own rows: leave --data out.").format(recipe=recipe.name))
    else:
        rows = rows_of_file(recipe, flags.data, fill)
    return (rows, rows_of_file(recipe, flags.test, fill)) if flags.test else split(rows)


def _marks(recipe: Recipe, lm: LM, rows: list[Chat]) -> list[float]:
    """The mark of every answer, greedy."""
    from fledge.recipes.measures import MEASURES

    asked = [row["conversations"][:1] for row in rows]
    answers = lm.complete(asked, temperature=0.0, max_new_tokens=recipe.max_new_tokens)
    mark = MEASURES[recipe.measure]
    return [mark(answer.text, row["conversations"][-1]["content"]) for answer, row in zip(answers, rows)]
