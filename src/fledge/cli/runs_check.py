"""`fledge runs check`: is my run normal? The verdict, with its evidence, and what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from fledge.cli.flags import parse
from fledge.lang import Text, say
from fledge.records import Run

if TYPE_CHECKING:
    from rich.console import Console

    from fledge.diagnose.bands import BandMatch
    from fledge.diagnose.check import RunCheck

COLOURS = {"normal": "green", "unusual": "yellow", "broken": "red", "cannot tell": "cyan", "note": "dim"}
VERDICTS = {
    "normal": Text("正常", "normal"),
    "unusual": Text("异常", "unusual"),
    "broken": Text("有错", "broken"),
    "cannot tell": Text("看不出", "cannot tell"),
    "note": Text("说明", "note"),
}
STATUSES = {  # of a run, as run.json says them
    "running": Text("进行中", "running"),
    "done": Text("完成", "done"),
    "stopped": Text("已停下", "stopped"),
    "failed": Text("失败", "failed"),
    "killed": Text("被中断", "killed"),
}
DIFFERENCES = {
    "data": Text("数据", "data"),
    "shape": Text("模型形状", "shape"),
    "vocab_size": Text("词表", "vocabulary"),
    "seq_len": Text("行长", "row length"),
    "tokens_per_step": Text("每步词元数", "tokens a step"),
    "steps": Text("步数", "steps"),
    "replay_share": Text("重放比例", "replay share"),
}


@dataclass
class RunsCheckFlags:
    """Is my run normal? Compare it with landmarks and reference runs, and name the likely cause when it is not.

    Its own model, or newest checkpoint, is asked about a little of its text: that takes some seconds. Exit code 0: nothing
    wrong was found, or it cannot be told; 1: something is.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """the run's name, or its folder; it may still be running"""
    json: bool = False
    """print JSON"""


def check(argv: list[str]) -> int:
    flags = parse(RunsCheckFlags, argv, "fledge runs check")
    from fledge.diagnose.check import check_run
    from fledge.diagnose.job import JobFacts
    from fledge.jobs import JOBS, find_job

    run = Run.open(flags.run)
    result = check_run(run, find_job(run.info["job"]).facts() if run.info["job"] in JOBS else JobFacts())
    if flags.json:
        print(json.dumps(result.to_dict(), ensure_ascii=False, indent=1))
    else:
        print_check(result)
    return int(result.verdict in ("unusual", "broken"))


def print_check(check: RunCheck) -> None:
    """Print the check in the learner's language."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:  # a pipe has no width: cut nothing
        console.width = 10_000
    evidence = check.evidence
    steps = say(
        f"{evidence.curves.step}/{evidence.curves.planned} 步",
        f"step {evidence.curves.step} of {evidence.curves.planned}",
    )
    status = evidence.run.status()
    console.print(f"{evidence.run.name} · {evidence.run.info.get('job')} · {STATUSES.get(status, status)} · {steps}\n")
    console.print(f"{_word(check.verdict)}: {check.why}", style=f"bold {COLOURS[check.verdict]}")
    _print_findings(check, console)
    _print_landmarks(check, console)
    if check.match is not None:
        _print_band(check, check.match, console)
    for sentence in check.unchecked:
        console.print(f"\n{sentence}", style="dim")


def _word(level: str) -> str:
    return str(VERDICTS[level])


def _print_findings(check: RunCheck, console: Console) -> None:
    for finding in check.findings:
        console.print(f"\n  [{_word(finding.level)}] {finding.cause}", style=COLOURS[finding.level])
        console.print(f"    {say('依据', 'evidence')}: {finding.evidence}")
        console.print(f"    {say('怎么办', 'what to do')}: {finding.advice}")


def _print_landmarks(check: RunCheck, console: Console) -> None:
    from fledge.diagnose.check import after_a_tenth

    evidence = check.evidence
    if not check.landmarks or evidence.end is None:
        return
    table = _table(say("路标", "landmark"), "", say("这个运行", "this run"))
    for landmark in check.landmarks:
        if landmark.unit == "bits/byte":
            bits = evidence.curves.final("val_bpb")
            here = "-" if bits is None else f"{bits:.3f} ({bits / landmark.value - 1:+.0%})"
        elif landmark.reached is not None:
            here = say(f"第 {landmark.reached} 步前越过", f"passed by step {landmark.reached}")
        else:
            here = say("没有越过", "not passed")
        table.add_row(landmark.words, f"{landmark.value:.3f} {landmark.unit}", here)
    curve = [f"{loss:.3f}" for loss in (evidence.begin, after_a_tenth(evidence), evidence.end) if loss is not None]
    table.add_row(say("损失：开始 → 一成 → 现在", "loss: at first → after a tenth → now"), "", " → ".join(curve))
    console.print()
    console.print(table)


def _print_band(check: RunCheck, match: BandMatch, console: Console) -> None:
    info = match.band.info
    title, seeds = Text(*info["title"]), len(info["seeds"])
    if not match.exact:
        differ = say("、", ", ").join(str(DIFFERENCES[name]) for name in match.differences)
        console.print(
            say(
                f"最接近的参考是“{title}”（{seeds} 个种子），但{differ}不同，所以不拿它来评判；它的终点："
                f"损失 {info['final']['val_loss'][0]:.3f}，每字节 {info['final']['val_bpb'][0]:.3f} 比特。",
                f"The nearest reference is '{title}' ({seeds} seeds). It differs in {differ}, so nothing is judged by it; it "
                f"ended at a loss of {info['final']['val_loss'][0]:.3f}, {info['final']['val_bpb'][0]:.3f} bits a byte.",
            )
        )
        return
    console.print(
        say(
            f"参考：“{title}”，{seeds} 个种子（距离以标准差计：+ 更差，− 更好，±4 以内算同类）",
            f"Reference: '{title}', {seeds} seeds (distance in standard deviations: + worse, − better, within ±4 the same)",
        )
    )
    table = _table(
        say("量", "measure"),
        say("步", "step"),
        say("这个运行", "this run"),
        say("参考", "reference"),
        say("距离", "distance"),
    )
    for point in check.points:
        value = f"{point.mean:.3f} ± {point.spread:.3f}"
        table.add_row(point.measure, str(point.step), f"{point.value:.3f}", value, f"{point.sigmas:+.1f}σ")
    console.print(table)


def _table(*names: str):  # type: ignore[no-untyped-def]
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(names):
        table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    return table
