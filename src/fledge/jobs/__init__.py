"""Training jobs, one file each: its settings, rows, defaults, facts for the planner, and its objective. To add one, write such a
file and a line below; the command line, the help, the planner and the check of runs follow. Nothing here needs torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from fledge.errors import UserError, suggest
from fledge.lang import _, commas

if TYPE_CHECKING:
    from fledge.jobs.job import Job

JOBS = {
    "pretrain": "fledge.jobs.pretrain",
    "sft": "fledge.jobs.sft",
    "lora": "fledge.jobs.lora",
    "qlora": "fledge.jobs.qlora",
    "reward": "fledge.jobs.reward",
    "dpo": "fledge.jobs.dpo",
    "distill": "fledge.jobs.distill",
    "gkd": "fledge.jobs.gkd",
    "reason": "fledge.jobs.reason",
    "ppo": "fledge.jobs.ppo",
    "grpo": "fledge.jobs.grpo",
    "spo": "fledge.jobs.spo",
    "minimind_pretrain": "fledge.interop.minimind.parity",
}
"""Name -> module that holds its `JOB`."""


def find_job(name: str) -> Job:
    """The job of that name; UserError with the nearest one."""
    if name not in JOBS:
        listed, near = commas(JOBS), suggest(name, JOBS)
        raise UserError(
            _("There is no training job '{name}'; the jobs are {listed}.{near}").format(
                name=name, listed=listed, near=near
            )
        )
    job: Job = importlib.import_module(JOBS[name]).JOB
    return job
