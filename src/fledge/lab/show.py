"""What a lab prints: every number with its spread beside chance and floor, then the verdicts, why, and what to do next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape

from fledge.lab import verdict
from fledge.lab.grid import WIDTH, Table, wrap
from fledge.lab.verdict import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Verdict
from fledge.lang import Text, say

if TYPE_CHECKING:
    from fledge.lab.results import Results

STYLES = {SUPPORTED: "green", NOT_SUPPORTED: "red", INCONCLUSIVE: "yellow"}
WORDS = {
    SUPPORTED: Text("成立", "SUPPORTED"),
    NOT_SUPPORTED: Text("不成立", "NOT SUPPORTED"),
    INCONCLUSIVE: Text("无法判断", "INCONCLUSIVE"),
}


def show(results: Results, prediction: dict[str, Any] | None, *, ours: bool) -> None:
    """Print the numbers, the verdict of every claim with its reason, what explains it, and the fate of the prediction.

    `ours`: the settings are those that the lesson talks about, so that its explanation applies.
    """
    console = Console(highlight=False)
    for line in table(results):
        console.print(line, markup=False, overflow="ignore", crop=False, no_wrap=True)
    count, seconds = len(results.seeds), f"{results.seconds:.1f}"
    spread = say(f"平均值 ± 标准差，{count} 个种子", f"mean ± standard deviation over {count} seeds")
    took = say(f"单核 {seconds} 秒", f"{seconds} s of one core")
    console.print(f"[dim]{spread} · {took}[/dim]\n")
    judged = [verdict.judge(claim, results) for claim in results.lab.claims]
    for claim, made in zip(results.lab.claims, judged):
        word = str(WORDS[made.word])
        text = wrap(str(claim.text), indent=2, first=cell_len(word) + 2)
        console.print(f"[{STYLES[made.word]}]{word}[/]  {escape(text)}")
        console.print("\n".join(reason(results, made)), style="dim", markup=False)
    if ours and results.lab.why and judged[0].word == SUPPORTED:
        console.print(say("\n为什么：", "\nWhy: ") + escape(wrap(str(results.lab.why), first=8)))
    if prediction:
        console.print("\n" + escape(wrap(_fate(results, prediction))))
    for line in again(results, judged, ours=ours):
        console.print(line, style="cyan")


def _fate(results: Results, prediction: dict[str, Any]) -> str:
    sure = f"{prediction['confidence']:.0%}"
    what = results.lab.prediction.options[prediction["outcome"]]
    if prediction["right"]:
        return say(f"你的预测对了（把握 {sure}）。", f"Your prediction was right (you were {sure} sure).")
    return say(
        f"你的预测和结果不同（把握 {sure}）。结果是：{what}",
        f"Your prediction was wrong (you were {sure} sure). The outcome: {what}",
    )


# Verdicts


def reason(results: Results, made: Verdict) -> list[str]:
    """The one reason for the verdict, with the numbers that it was made of."""
    count, yes = len(made.truths), sum(made.truths)
    numbers = ranges(results, made.read)
    if made.reason == "not finite":
        return [_indented(_not_finite(results, made))]
    if made.reason == "split":
        no = count - yes
        said = say(f"{yes} 个种子支持，{no} 个不支持：", f"{yes} of the seeds agree, {no} do not:")
        return [_indented(said), *(f"    {line}" for line in by_seed(results, made))]
    if made.reason == "few":
        least = verdict.ENOUGH_SEEDS
        said = say(
            f"只跑了 {count} 个种子，至少要 {least} 个才能下结论：{numbers}",
            f"Only {count} of the {least} seeds that a verdict needs: {numbers}",
        )
    elif made.word == SUPPORTED:
        said = say(f"{count} 个种子全都支持：{numbers}", f"All {count} seeds agree: {numbers}")
    else:
        said = say(f"{count} 个种子没有一个支持：{numbers}", f"None of the {count} seeds agrees: {numbers}")
    return [_indented(said)]


def ranges(results: Results, read: list[tuple[str, str]]) -> str:
    """The lowest and highest value of everything that a claim looked at, one metric after the other."""
    arms: dict[str, list[str]] = {}
    for arm, metric in read:
        values = results.values(arm, metric)
        if values.ndim == 1:
            form = results.lab.metrics[metric].format
            low, high = f"{values.min():{form}}", f"{values.max():{form}}"
            span = low if low == high else say(f"{low} 到 {high}", f"{low} to {high}")
            arms.setdefault(metric, []).append(f"{results.label(arm)} {span}")
    between, end = say("，", ", "), say("。", ".")
    told = [
        f"{results.lab.metrics[metric].about}{say('：', ': ')}{between.join(said)}" for metric, said in arms.items()
    ]
    return say("；", "; ").join(told) + end


def by_seed(results: Results, made: Verdict) -> list[str]:
    """A row for every number that the claim looked at, a column for every seed."""
    rows = [[say("支持吗", "agrees"), *(say("是", "yes") if truth else say("否", "no") for truth in made.truths)]]
    for arm, metric in made.read:
        values = results.values(arm, metric)
        if values.ndim == 1:
            form = results.lab.metrics[metric].format
            name = f"{results.label(arm)}{say('：', ': ')}{results.lab.metrics[metric].about}"
            rows.append([name, *(f"{value:{form}}" for value in values)])
    heads = [say("种子", "seed"), *map(str, results.seeds)]
    return Table(heads, rows, WIDTH - 4).lines()


def _not_finite(results: Results, made: Verdict) -> str:
    for arm, metric in made.read:
        for seed, row in zip(results.seeds, results.rows[arm]):
            if isinstance(row[metric], float) and not math.isfinite(row[metric]):
                value, label, about = row[metric], results.label(arm), results.lab.metrics[metric].about
                return say(
                    f"种子 {seed} 的一个数不是有限值（{label}：{about} = {value}），所以无法比较。",
                    f"With seed {seed} a number is not finite ({label}: {about} = {value}), so there is nothing to compare.",
                )
    return say("有一条曲线里出现了不是有限值的数。", "A curve holds a number that is not finite.")


def again(results: Results, judged: list[Verdict], *, ours: bool) -> list[str]:
    """What to type when the run did not settle every claim."""
    lab, reasons = results.lab, {made.reason for made in judged}
    if reasons == {"all"}:
        return []
    if not ours:
        return [
            say(
                f"\n用课文里的设置再跑一次：fledge lab run {lab.id}",
                f"\nWith the lesson's settings: fledge lab run {lab.id}",
            )
        ]
    more = 2 * len(results.seeds)
    return [
        say(
            f"\n多跑几个种子：fledge lab run {lab.id} --seeds {more}",
            f"\nWith more seeds: fledge lab run {lab.id} --seeds {more}",
        )
    ]


# Tables


def table(results: Results) -> list[str]:
    """The numbers (curves and matrices are for the picture), as lines of at most 80 columns.

    Arms are columns when they fit beside each other; else rows; else the table is cut into several.
    """
    lab = results.lab
    names = [name for name in lab.metrics if results.values(results.arms[0], name).ndim == 1]
    columns = {str(results.label(arm)): [cell(results, arm, name) for name in names] for arm in results.arms}
    for which, head in (("chance", say("瞎猜", "chance")), ("floor", say("下限", "floor"))):
        marks = [lab.metrics[name].landmark(which, results.settings) for name in names]
        if any(mark is not None for mark in marks):
            columns[head] = [
                "" if mark is None else f"{mark:{lab.metrics[name].format}}" for name, mark in zip(names, marks)
            ]
    rows = [str(lab.metrics[name].about) for name in names]
    upright = Table(["", *columns], [[row, *cells] for row, *cells in zip(rows, *columns.values())])
    turned = Table(["", *rows], [[head, *cells] for head, cells in columns.items()])
    return min(upright, turned, key=Table.pieces).lines()  # upright when both need as many pieces


def cell(results: Results, arm: str, name: str) -> str:
    """mean ± standard deviation of a number over the seeds."""
    values = results.values(arm, name)
    form = results.lab.metrics[name].format
    if len(values) < 2 or values.std() == 0:
        return f"{values.mean():{form}}"
    return f"{values.mean():{form}} ± {values.std(ddof=1):{form}}"


def _indented(text: str) -> str:
    return "  " + wrap(text, indent=4)
