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
    took = Text(f"单核 {results.seconds:.1f} 秒", f"{results.seconds:.1f} s of one core")
    console.print(f"[dim]{spread}{Text('，', ', ')}{took}[/dim]\n")
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
    """The numbers (curves and matrices are for the picture). Whichever there are more of, arms or metrics, are the rows."""
    lab = results.lab
    names = [name for name in lab.metrics if results.values(results.arms[0], name).ndim == 1]
    heads = {"chance": Text("瞎猜", "chance"), "floor": Text("下限", "floor")}
    columns = {str(results.label(arm)): [cell(results, arm, name) for name in names] for arm in results.arms}
    for which, head in heads.items():
        marks = [lab.metrics[name].landmark(which, results.settings) for name in names]
        if any(mark is not None for mark in marks):
            written = [
                f"{mark:{lab.metrics[name].format}}" if mark is not None else "" for name, mark in zip(names, marks)
            ]
            columns[str(head)] = written
    rows = [str(lab.metrics[name].about) for name in names]
    if len(results.arms) > max(3, len(names)):
        rows, columns = list(columns), dict(zip(rows, map(list, zip(*columns.values()))))
    made = Table(box=None, pad_edge=False)
    made.add_column("")
    for column in columns:
        made.add_column(column, justify="right")
    for row, *cells in zip(rows, *columns.values()):
        made.add_row(row, *cells)
    return made


def cell(results: Results, arm: str, name: str) -> str:
    """mean ± standard deviation of a number over the seeds."""
    values = results.values(arm, name)
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    form = results.lab.metrics[name].format
    return f"{values.mean():{form}} ± {spread:{form}}"
