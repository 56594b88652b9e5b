"""`fledge plan JOB`: what a training run will take, before it starts."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from fledge.cli import flags
from fledge.cli import train as train_verb
from fledge.errors import UserError
from fledge.jobs import JOBS, find_job
from fledge.jobs.settings import job_config
from fledge.lang import _, commas
from fledge.training.config import TrainConfig

if TYPE_CHECKING:
    from fledge.planning.profiles import Proposal


@dataclasses.dataclass
class PlanFlags(train_verb.JobFlags):
    """Predict memory and minutes, and propose settings: conservative, standard, aggressive. All flags of `fledge train`."""

    card: str | None = None
    """Plan for another machine: a card by name or memory ("RTX 3050", 8), or cpu. Default: this machine."""
    cards: bool = False
    """Plan for cards of 4, 6, 8, 12 and 24 GB and for this CPU."""
    price: float | None = None
    """Price of an hour of the machine, in any currency: the plan then says what the run costs."""
    measure: bool = False
    """Measure this machine again instead of using what was measured before."""


@dataclasses.dataclass
class CalibrateFlags:
    """Compare past runs with their plans, and correct later plans by what they teach."""

    calibrate: bool = True
    """Learn from past runs."""
    json: bool = False
    """Print JSON."""


def main(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        jobs = "\n".join(f"  {job}" for job in JOBS)
        print(
            _(
                "usage: fledge plan JOB [flags]\n       fledge plan --calibrate\n\njobs:\n{jobs}\n\n"
                "Predicts memory and minutes and proposes settings; `fledge plan JOB --help` lists the flags."
            ).format(jobs=jobs)
        )
        return 0
    if argv[0].startswith("-"):
        if "--calibrate" not in argv:
            names = commas(JOBS)
            raise UserError(_("`fledge plan` begins with a job ({names}) or with --calibrate.").format(names=names))
        return past_runs(flags.parse(CalibrateFlags, argv, "fledge plan"))
    job, *rest = argv
    chosen, settings = train_verb.requested(job, rest, PlanFlags, f"fledge plan {job}")
    if chosen.price is not None and chosen.price < 0:
        raise UserError(_("--price is {price:g}; it must be 0 or more.").format(price=chosen.price))
    return show(job, job_config(job, **settings), set(settings), chosen)


def show(job: str, config: TrainConfig, given: set[str], chosen: PlanFlags) -> int:
    """Exit code 1 when nothing that is proposed fits."""
    from fledge.planning.facts import size_of
    from fledge.planning.machines import SHOWN, calibration_of, card
    from fledge.planning.measure import machine_of
    from fledge.planning.profiles import profile_named, proposals

    facts = find_job(job).planning
    size = size_of(facts, config)
    if chosen.cards:
        machines = [*(card(name) for name in SHOWN), machine_of("cpu", config, again=chosen.measure)]
    else:
        machines = [machine_of(chosen.card, config, again=chosen.measure)]
    found = {
        machine: proposals(
            facts, config, given, machine, size, calibration=calibration_of(machine.key), price=chosen.price
        )
        for machine in machines
    }
    if config.profile:
        wanted = profile_named(config.profile)
        found = {machine: [one for one in made if one.profile == wanted] for machine, made in found.items()}
    if chosen.json:
        print(json.dumps([report(proposal) for made in found.values() for proposal in made], ensure_ascii=False))
    elif chosen.cards:
        from fledge.cli.plan_view import cards_table

        cards_table(job, size, found)
    else:
        from fledge.cli.plan_view import profiles_table

        profiles_table(job, size, machines[0], found[machines[0]])
    return int(not any(proposal.plan.fits for made in found.values() for proposal in made))


def report(proposal: Proposal) -> dict[str, Any]:
    """One profile on one machine, for scripts."""
    plan = proposal.plan
    return {
        "profile": proposal.profile.name,
        "settings": proposal.settings,
        "fits": plan.fits,
        "usable_memory_mb": round(plan.machine.usable / 2**20),
        "parameters": plan.shape.num_parameters()["total"],
        "precision": plan.step.precision,
        **plan.to_dict(),
        "reasons": proposal.reasons,
    }


def past_runs(chosen: CalibrateFlags) -> int:
    from fledge.planning.machines import calibrate
    from fledge.records import list_runs, runs_root

    found, fitted = calibrate(list_runs())
    if chosen.json:
        rows = [dataclasses.asdict(outcome) for outcome in found]
        print(json.dumps({"runs": rows, "machines": {key: dataclasses.asdict(one) for key, one in fitted.items()}}))
        return 0
    if not found:
        print(
            _(
                "no run in {folder} has both a plan from a measured speed and an outcome yet: "
                "let `fledge plan pretrain` measure this machine, train once, then calibrate."
            ).format(folder=runs_root())
        )
        return 0
    from fledge.cli.plan_view import calibration_table

    calibration_table(found, fitted)
    return 0
