"""What a lab prints: every number with its spread beside chance and floor, then the verdicts."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fledge.lab.results import Results
from fledge.lab.verdict import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED
from fledge.lang import Text

STYLES = {SUPPORTED: "green", NOT_SUPPORTED: "red", INCONCLUSIVE: "yellow"}
WORDS = {
    SUPPORTED: Text("成立", "SUPPORTED"),
    NOT_SUPPORTED: Text("不成立", "NOT SUPPORTED"),
    INCONCLUSIVE: Text("无法判断", "INCONCLUSIVE"),
}
MEANS = {
    SUPPORTED: Text("每个种子的数字都支持这句话", "the numbers of every seed say so"),
    NOT_SUPPORTED: Text("没有一个种子的数字支持这句话", "the numbers of no seed say so"),
    INCONCLUSIVE: Text(
        "种子之间不一致、少于三个，或者有数字不是有限值",
        "the seeds disagree, are fewer than three, or a number is not finite",
    ),
}


def show(results: Results, judged: dict[str, str], prediction: dict[str, Any] | None) -> None:
    """Print the table of numbers, the verdict of every claim, and what became of the prediction."""
    console = Console(highlight=False)
    console.print(table(results))
    seeds = len(results.seeds)
    spread = Text(f"平均值 ± 标准差，{seeds} 个种子", f"mean ± standard deviation over {seeds} seeds")
    console.print(f"[dim]{spread}, {results.seconds:.1f} s[/dim]\n")
    for claim in results.lab.claims:
        word = judged[claim.name]
        console.print(f"[{STYLES[word]}]{WORDS[word]}[/]  {escape(str(claim.text))}\n  [dim]{MEANS[word]}[/dim]")
    if prediction:
        options = results.lab.prediction.options
        sure = f"{prediction['confidence']:.0%}"
        if prediction["right"]:
            said = Text(f"你的预测对了（把握 {sure}）。", f"Your prediction was right (you were {sure} sure).")
        else:
            what = options[prediction["outcome"]]
            said = Text(
                f"你的预测和结果不同（把握 {sure}）；结果是：{what.zh}",
                f"Your prediction was different (you were {sure} sure); what came out: {what.en}",
            )
        console.print(f"\n{escape(str(said))}")


def table(results: Results) -> Table:
    """Metrics as rows, arms as columns; curves and matrices are for the picture."""
    lab = results.lab
    numbers = [name for name in lab.metrics if results.values(results.arms[0], name).ndim == 1]
    marks = {
        which: {name: lab.metrics[name].landmark(which, results.settings) for name in numbers}
        for which in ("chance", "floor")
    }
    shown = [which for which, values in marks.items() if any(value is not None for value in values.values())]
    heads = {"chance": Text("瞎猜", "chance"), "floor": Text("下限", "floor")}
    made = Table(box=None, pad_edge=False)
    made.add_column("")
    for arm in results.arms:
        made.add_column(str(results.label(arm)), justify="right")
    for which in shown:
        made.add_column(str(heads[which]), justify="right", style="dim")
    for name in numbers:
        metric = lab.metrics[name]
        cells = []
        for arm in results.arms:
            values = results.values(arm, name)
            spread = values.std(ddof=1) if len(values) > 1 else 0.0
            cells.append(f"{values.mean():{metric.format}} ± {spread:{metric.format}}")
        known = [marks[which][name] for which in shown]
        made.add_row(
            str(metric.about), *cells, *("" if value is None else f"{value:{metric.format}}" for value in known)
        )
    return made
