"""The tables of `fledge plan`, for 80 columns and more, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fledge.display.terminal import table
from fledge.lang import N_, _, commas, pgettext
from fledge.planning.budget import asked

if TYPE_CHECKING:
    from fledge.planning.facts import Size
    from fledge.planning.machines import Calibration, Machine, Outcome
    from fledge.planning.predict import Plan
    from fledge.planning.profiles import Proposal

TERMS = {  # of a plan's memory
    "weights": N_("weights"),
    "adapter": N_("adapter"),
    "adapter activations": N_("adapter activations"),
    "optimizer state": N_("optimizer state"),
    "frozen models": N_("frozen models"),
    "gradients": N_("gradients"),
    "gradients in flight": N_("gradients in flight"),
    "norms": N_("norms"),
    "projection inputs": N_("projection inputs"),
    "attention": N_("attention"),
    "attention weights": N_("attention weights"),
    "feed-forward": N_("feed-forward"),
    "weights in half precision": N_("weights in half precision"),
    "block inputs": N_("block inputs"),
    "positions, mask, last norm": N_("positions, mask, last norm"),
    "loss": N_("loss"),
    "optimizer work": N_("optimizer work"),
    "Python and libraries": N_("Python and libraries"),
    "text and tokenizer": N_("text and tokenizer"),
    "fragmentation": N_("fragmentation"),
}
MOMENTS = {
    "loss": N_("computing the loss"),
    "backward": N_("the start of backward"),
    "end of backward": N_("the end of backward"),
    "optimizer": N_("the update"),
}


def profiles_table(job: str, size: Size, machine: Machine, found: Sequence[Proposal]) -> None:
    """One column a profile, one line a setting; then the reasons, the largest memory terms, and how to start."""
    console = Console(highlight=False)
    console.print(f"fledge plan {job} · {machine.title} · {text_of(size)}", style="bold")
    calibrated = found[0].plan.calibration.words()
    console.print(f"{machine.source()}{'; ' + calibrated if calibrated else ''}", style="dim")
    plans = [proposal.plan for proposal in found]
    heads = ("", *(str(proposal.profile.title) for proposal in found))
    rows = [(name, *values) for name, values in rows_of(plans)]
    console.print("", table(heads, rows, words=range(len(heads))), "", sep="\n")
    console.print(_("why"), style="bold")
    why = Table.grid(padding=(0, 1))
    why.add_column(no_wrap=True)
    why.add_column()
    for name, title in REASONS:
        for who, reason in reasons_of([(str(p.profile.title), p.reasons[name]) for p in found if name in p.reasons]):
            why.add_row(f"  {title}{f' ({who})' if who else ''}", reason)
    console.print(why)
    usual = found[min(1, len(found) - 1)]
    standard = usual.plan
    moment = str(MOMENTS[standard.moment])
    console.print(
        _("where the memory goes ({title}; highest at {moment})").format(title=usual.profile.title, moment=moment),
        style="bold",
    )
    for name, size_ in sorted(standard.memory.items(), key=lambda item: -item[1])[:6]:
        console.print(f"  {TERMS[name]}: {amount(size_ / 2**20)}")
    print_notes(console, plans)
    console.print(
        _("to start: fledge train {job} … --profile {profile}").format(job=job, profile=usual.profile.name), style="dim"
    )


REASONS = [
    ("model", N_("model")),
    ("budget", N_("duration")),
    ("epochs", N_("epochs")),
    ("seq_len", N_("row length")),
    ("batch_size", N_("batch size")),
    ("accumulation_steps", N_("accumulation")),
    ("checkpoint_activations", N_("checkpointing")),
    ("precision", N_("precision")),
]


def rows_of(plans: Sequence[Plan]) -> Iterator[tuple[str, Iterable[str]]]:
    """(name, value for each profile)."""

    yield _("model"), (model_of(plan) for plan in plans)
    yield _("parameters"), (f"{plan.shape.num_parameters()['total'] / 1e6:.1f}M" for plan in plans)
    yield _("vocabulary"), (f"{plan.shape.vocab_size:,}" for plan in plans)
    yield _("row length (tokens)"), (str(plan.config.seq_len) for plan in plans)
    yield _("batch size (rows)"), (str(plan.config.batch_size) for plan in plans)
    yield _("accumulation steps"), (str(plan.config.accumulation_steps) for plan in plans)
    yield _("precision"), (plan.step.precision for plan in plans)
    used, unused = _("yes"), _("no")
    yield _("checkpointing"), (used if plan.step.checkpoint else unused for plan in plans)
    yield _("memory of usable"), (memory_of(plan) for plan in plans)
    yield _("time"), (duration(plan.total_seconds) for plan in plans)
    yield _("steps"), (f"{plan.steps:,}" for plan in plans)
    yield _("tokens a second"), (f"{plan.tokens_per_second:,.0f}" for plan in plans)
    yield _("readings of the text"), (f"{plan.readings:.2g}" for plan in plans)
    if plans[0].cost is not None:
        yield _("cost"), (f"{plan.cost:,.2f}" for plan in plans)


COLUMNS = [  # of `--cards`: title, width
    (N_("profile"), 14),
    (N_("model"), 12),
    (N_("rows×len×acc"), 13),
    (N_("ckpt"), 5),
    (N_("memory"), 8),
    (N_("time"), 10),
    (N_("tokens/s"), 9),
    (N_("cost"), 7),
]


def cards_table(job: str, size: Size, found: Mapping[Machine, Sequence[Proposal]]) -> None:
    """A line a profile, under the name of its machine."""
    console = Console(highlight=False)
    console.print(f"fledge plan {job} · {text_of(size)}", style="bold")
    costs = any(proposal.plan.cost is not None for made in found.values() for proposal in made)
    columns = COLUMNS if costs else COLUMNS[:-1]
    heads = _grid(columns)
    heads.add_row(*(f"[dim]{title}[/]" for title, _ in columns))
    console.print(heads)
    for machine, made in found.items():
        console.print(f"{machine.name}", style="bold", no_wrap=True, overflow="ellipsis")
        lines = _grid(columns)
        for proposal in made:
            plan, config = proposal.plan, proposal.plan.config
            lines.add_row(
                f" {proposal.profile.title}",
                model_of(plan),
                f"{config.batch_size}×{config.seq_len}×{config.accumulation_steps}",
                _("yes") if plan.step.checkpoint else "",
                amount(plan.total_mb) + ("" if plan.fits else "!"),
                duration(plan.total_seconds),
                f"{plan.tokens_per_second:,.0f}",
                *([f"{plan.cost:,.2f}"] if costs else []),
            )
        console.print(lines)
    if any(not proposal.plan.fits for made in found.values() for proposal in made):
        console.print(_("! does not fit: take a smaller model or shorter rows."))
    for source in dict.fromkeys(machine.source() for machine in found):
        console.print(source, style="dim")
    print_notes(console, [proposal.plan for made in found.values() for proposal in made])


def _grid(columns: Sequence[tuple[object, int]]) -> Table:
    grid = Table.grid()
    for _, width in columns:
        grid.add_column(width=width, no_wrap=True)
    return grid


def print_notes(console: Console, plans: Iterable[Plan]) -> None:
    for note in dict.fromkeys(note for plan in plans for note in plan.notes):
        console.print(_("note: {note}").format(note=note), style="yellow")


def calibration_table(found: Sequence[Outcome], fitted: Mapping[str, Calibration]) -> None:
    """Predicted beside actual for every run, then the factors."""
    console = Console(highlight=False)
    for key, factors in fitted.items():
        console.print(key, style="bold")
        heads, predicted = [pgettext("heading", "run")], _("predicted")
        for unit in (_("seconds a million tokens"), _("memory MB")):
            heads += [f"{predicted}\n{unit}", _("actual"), _("ratio")]
        rows = [
            (
                outcome.run,
                *(f"{seconds:.1f}" for seconds in outcome.seconds_a_million),
                f"{outcome.time_ratio:.2f}",
                *(f"{size:,.0f}" for size in outcome.memory_mb),
                f"{outcome.memory_ratio:.2f}",
            )
            for outcome in found
            if outcome.key == key
        ]
        console.print(table(heads, rows))
        console.print(
            _("later plans: time ×{time:.2f}, memory ×{memory:.2f}; {words}").format(
                time=factors.time, memory=factors.memory, words=factors.words()
            )
        )


def reasons_of(reasons: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(profiles, reason), equal reasons together; no profile when all have the same."""
    grouped: dict[str, list[str]] = {}
    for profile, reason in reasons:
        grouped.setdefault(reason, []).append(profile)
    if len(grouped) == 1:
        return [("", reason) for reason in grouped]
    return [(commas(profiles), reason) for reason, profiles in grouped.items()]


def text_of(size: Size) -> str:
    megabytes = f"{size.num_bytes / 1e6:,.1f} MB" if size.num_bytes < 1e7 else f"{size.num_bytes / 1e6:,.0f} MB"
    if size.assumed:
        return _("{megabytes} of text assumed (--data names yours)").format(megabytes=megabytes)
    return _("{megabytes} of text").format(megabytes=megabytes)


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
        return _("{seconds:.0f} s").format(seconds=seconds)
    if seconds < 5400:
        return _("{minutes:.0f} min").format(minutes=seconds / 60)
    if seconds < 48 * 3600:
        return _("{hours:.1f} h").format(hours=seconds / 3600)
    return _("{days:.1f} days").format(days=seconds / 86400)
