"""The tables of `fledge plan`, for 80 columns and more, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from fledge.lang import say
from fledge.planning.profiles import asked

if TYPE_CHECKING:
    from fledge.planning.calibrate import Calibration, Outcome
    from fledge.planning.data import Size
    from fledge.planning.machines import Machine
    from fledge.planning.predict import Plan
    from fledge.planning.profiles import Proposal

TERMS = {  # of a plan's memory
    "weights": ("权重", "weights"),
    "optimizer state": ("优化器状态", "optimizer state"),
    "frozen models": ("冻结的模型", "frozen models"),
    "gradients": ("梯度", "gradients"),
    "gradients in flight": ("传递中的梯度", "gradients in flight"),
    "norms": ("归一化", "norms"),
    "projection inputs": ("投影的输入", "projection inputs"),
    "attention": ("注意力的 q k v", "attention"),
    "attention weights": ("注意力矩阵 T×T", "attention weights"),
    "feed-forward": ("前馈层", "feed-forward"),
    "weights in half precision": ("半精度权重副本", "weights in half precision"),
    "block inputs": ("每层的输入", "block inputs"),
    "positions, mask, last norm": ("位置、掩码、末层归一化", "positions, mask, last norm"),
    "loss": ("损失(词表 logits)", "loss"),
    "optimizer work": ("优化器的临时量", "optimizer work"),
    "Python and libraries": ("Python 和各个库", "Python and libraries"),
    "text and tokenizer": ("文本和训练分词器", "text and tokenizer"),
    "fragmentation": ("分配器的碎片", "fragmentation"),
}
MOMENTS = {
    "loss": ("算损失时", "computing the loss"),
    "backward": ("反向传播开始时", "the start of backward"),
    "end of backward": ("反向传播结束时", "the end of backward"),
    "optimizer": ("更新参数时", "the update"),
}


def profiles_table(job: str, size: Size, machine: Machine, found: Sequence[Proposal]) -> None:
    """One column a profile, one line a setting; then the reasons, the largest memory terms, and how to start."""
    console = Console(highlight=False)
    console.print(f"fledge plan {job} · {machine.title} · {text_of(size)}", style="bold")
    calibrated = found[0].plan.calibration.words()
    console.print(f"{machine.source()}{'; ' + calibrated if calibrated else ''}", style="dim")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for proposal in found:
        table.add_column(str(proposal.profile.title))
    plans = [proposal.plan for proposal in found]
    for name, values in rows_of(plans):
        table.add_row(name, *values)
    console.print(table)
    console.print(say("为什么这样选", "why"), style="bold")
    why = Table.grid(padding=(0, 1))
    why.add_column(no_wrap=True)
    why.add_column()
    for name, title in REASONS:
        for who, reason in reasons_of([(str(p.profile.title), p.reasons[name]) for p in found if name in p.reasons]):
            why.add_row(f"  {say(*title)}{f' ({who})' if who else ''}", reason)
    console.print(why)
    usual = found[min(1, len(found) - 1)]
    standard = usual.plan
    moment = say(*MOMENTS[standard.moment])
    console.print(
        say(
            f"内存花在哪里({usual.profile.title}档,最高点在{moment})",
            f"where the memory goes ({usual.profile.title}; highest at {moment})",
        ),
        style="bold",
    )
    for name, size_ in sorted(standard.memory.items(), key=lambda item: -item[1])[:6]:
        console.print(f"  {say(*TERMS[name])}: {amount(size_ / 2**20)}")
    print_notes(console, plans)
    console.print(say("开始训练:", "to start: ") + f"fledge train {job} … --profile {usual.profile.name}", style="dim")


REASONS = [
    ("model", ("模型", "model")),
    ("budget", ("时长", "duration")),
    ("epochs", ("遍数", "epochs")),
    ("seq_len", ("行长", "row length")),
    ("batch_size", ("批大小", "batch size")),
    ("accumulation_steps", ("累积", "accumulation")),
    ("checkpoint_activations", ("重算", "checkpointing")),
    ("precision", ("精度", "precision")),
]


def rows_of(plans: Sequence[Plan]) -> Iterator[tuple[str, Iterable[str]]]:
    """(name, value for each profile)."""

    yield say("模型", "model"), (model_of(plan) for plan in plans)
    yield say("参数", "parameters"), (f"{plan.shape.num_parameters()['total'] / 1e6:.1f}M" for plan in plans)
    yield say("词表", "vocabulary"), (f"{plan.shape.vocab_size:,}" for plan in plans)
    yield say("行长 (词元)", "row length (tokens)"), (str(plan.config.seq_len) for plan in plans)
    yield say("批大小 (行)", "batch size (rows)"), (str(plan.config.batch_size) for plan in plans)
    yield say("累积次数", "accumulation steps"), (str(plan.config.accumulation_steps) for plan in plans)
    yield say("精度", "precision"), (plan.step.precision for plan in plans)
    used, unused = say("是", "yes"), say("否", "no")
    yield say("激活重算", "checkpointing"), (used if plan.step.checkpoint else unused for plan in plans)
    yield say("内存 / 可用", "memory of usable"), (memory_of(plan) for plan in plans)
    yield say("时间", "time"), (duration(plan.total_seconds) for plan in plans)
    yield say("步数", "steps"), (f"{plan.steps:,}" for plan in plans)
    yield say("词元 / 秒", "tokens a second"), (f"{plan.tokens_per_second:,.0f}" for plan in plans)
    yield say("读文本 (遍)", "readings of the text"), (f"{plan.readings:.2g}" for plan in plans)
    if plans[0].cost is not None:
        yield say("费用", "cost"), (f"{plan.cost:,.2f}" for plan in plans)


COLUMNS = [  # of `--cards`: title, width
    (("档", "profile"), 14),
    (("模型", "model"), 12),
    (("批×行长×累积", "rows×len×acc"), 13),
    (("重算", "ckpt"), 5),
    (("内存", "memory"), 8),
    (("时间", "time"), 10),
    (("词元/秒", "tokens/s"), 9),
    (("费用", "cost"), 7),
]


def cards_table(job: str, size: Size, found: Mapping[Machine, Sequence[Proposal]]) -> None:
    """A line a profile, under the name of its machine."""
    console = Console(highlight=False)
    console.print(f"fledge plan {job} · {text_of(size)}", style="bold")
    costs = any(proposal.plan.cost is not None for made in found.values() for proposal in made)
    columns = COLUMNS if costs else COLUMNS[:-1]
    table = _grid(columns)
    table.add_row(*(f"[dim]{say(*title)}[/]" for title, _ in columns))
    console.print(table)
    for machine, made in found.items():
        console.print(f"{machine.name}", style="bold", no_wrap=True, overflow="ellipsis")
        table = _grid(columns)
        for proposal in made:
            plan, config = proposal.plan, proposal.plan.config
            table.add_row(
                f" {proposal.profile.title}",
                model_of(plan),
                f"{config.batch_size}×{config.seq_len}×{config.accumulation_steps}",
                say("是", "yes") if plan.step.checkpoint else "",
                amount(plan.total_mb) + ("" if plan.fits else "!"),
                duration(plan.total_seconds),
                f"{plan.tokens_per_second:,.0f}",
                *([f"{plan.cost:,.2f}"] if costs else []),
            )
        console.print(table)
    if any(not proposal.plan.fits for made in found.values() for proposal in made):
        console.print(say("! 放不下:换更小的模型或更短的行。", "! does not fit: take a smaller model or shorter rows."))
    for source in dict.fromkeys(machine.source() for machine in found):
        console.print(source, style="dim")
    print_notes(console, [proposal.plan for made in found.values() for proposal in made])


def _grid(columns: Sequence[tuple[object, int]]) -> Table:
    table = Table.grid()
    for _, width in columns:
        table.add_column(width=width, no_wrap=True)
    return table


def print_notes(console: Console, plans: Iterable[Plan]) -> None:
    for note in dict.fromkeys(note for plan in plans for note in plan.notes):
        console.print(say("注意:", "note: ") + note, style="yellow")


def calibration_table(found: Sequence[Outcome], fitted: Mapping[str, Calibration]) -> None:
    """Predicted beside actual for every run, then the factors."""
    console = Console(highlight=False)
    for key, factors in fitted.items():
        console.print(key, style="bold")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        per = say("秒 / 百万词元", "seconds a million tokens")
        memory = say("内存 MB", "memory MB")
        table.add_column(say("训练", "run"))
        for title in (say("预测", "predicted"), say("实际", "actual"), say("比", "ratio")):
            table.add_column(f"{title}\n{per}" if title == say("预测", "predicted") else title, justify="right")
        for title in (say("预测", "predicted"), say("实际", "actual"), say("比", "ratio")):
            table.add_column(f"{title}\n{memory}" if title == say("预测", "predicted") else title, justify="right")
        for outcome in found:
            if outcome.key == key:
                seconds, size = outcome.seconds_a_million, outcome.memory_mb
                table.add_row(
                    outcome.run,
                    *(f"{seconds[0]:.1f}", f"{seconds[1]:.1f}", f"{outcome.time_ratio:.2f}"),
                    *(f"{size[0]:,.0f}", f"{size[1]:,.0f}", f"{outcome.memory_ratio:.2f}"),
                )
        console.print(table)
        console.print(
            say(
                f"以后的计划:时间 ×{factors.time:.2f},内存 ×{factors.memory:.2f};{factors.words()}",
                f"later plans: time ×{factors.time:.2f}, memory ×{factors.memory:.2f}; {factors.words()}",
            )
        )


def reasons_of(reasons: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(profiles, reason), equal reasons together; no profile when all have the same."""
    grouped: dict[str, list[str]] = {}
    for profile, reason in reasons:
        grouped.setdefault(reason, []).append(profile)
    if len(grouped) == 1:
        return [("", reason) for reason in grouped]
    return [(say("、", ", ").join(profiles), reason) for reason, profiles in grouped.items()]


def text_of(size: Size) -> str:
    megabytes = f"{size.num_bytes / 1e6:,.1f} MB" if size.num_bytes < 1e7 else f"{size.num_bytes / 1e6:,.0f} MB"
    if size.assumed:
        return say(f"假设有 {megabytes} 文本(用 --data 给出你的)", f"{megabytes} of text assumed (--data names yours)")
    return say(f"{megabytes} 文本", f"{megabytes} of text")


def model_of(plan: Plan) -> str:
    """The preset, or width × layers when it is not one as it stands."""
    new = asked(plan.config)
    plain = new.preset if not new.set else None
    return plain or f"{plan.shape.hidden_size}×{plan.shape.num_hidden_layers}"


def memory_of(plan: Plan) -> str:
    sign = "" if plan.fits else " !"
    return f"{amount(plan.total_mb)} / {amount(plan.machine.usable / 2**20)}{sign}"


def amount(megabytes: float) -> str:
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1024:.1f} GB"


def duration(seconds: float) -> str:
    """Rounded to what a prediction can know."""
    if seconds < 90:
        return say(f"{seconds:.0f} 秒", f"{seconds:.0f} s")
    if seconds < 5400:
        return say(f"{seconds / 60:.0f} 分", f"{seconds / 60:.0f} min")
    if seconds < 48 * 3600:
        return say(f"{seconds / 3600:.1f} 小时", f"{seconds / 3600:.1f} h")
    return say(f"{seconds / 86400:.1f} 天", f"{seconds / 86400:.1f} days")
