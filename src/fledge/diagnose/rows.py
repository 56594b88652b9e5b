"""What is wrong with the rows that a run reads: prompts that count, beginnings that are doubled."""

from __future__ import annotations

import numpy as np

from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.lang import _

ALL = 0.98  # of what could be a target: no conversation has prompts as short as that
MOST = 0.5  # of the examples
MANY = 2_000  # examples that are looked at, and positions below which a share says little


def loss_on_the_prompt(evidence: RunEvidence) -> Finding | None:
    """Fine-tuning that also learns to write the questions.

    The prepared data tell it for certain: the head of the template, that comes first, is then a target. Without them the
    record does: every single token counts; or nearly all that the loop read were targets, and far fewer are in the data.
    """
    if not evidence.job.prompts or not evidence.data.get("tokens"):
        return None
    possible = max(1, evidence.data["tokens"] - evidence.data["examples"])
    share = evidence.data["targets"] / possible
    dataset, logged = evidence.dataset, _logged_share(evidence)
    if dataset is not None and dataset.mask is not None:
        wrong = float(np.mean(dataset.mask[dataset.starts[:MANY] + 1])) > MOST
    else:
        wrong = evidence.data["targets"] >= possible
    replay = evidence.config.get("replay_share") or 0.0
    if logged is not None and logged > max(ALL, share + replay + 0.1):
        share, wrong = logged, True
    if not wrong:
        return None
    return Finding(
        "loss_on_the_prompt",
        "unusual",
        _("The loss counts the prompts: it learns to write questions too."),
        _(
            "{share:.0%} of the tokens are targets, the head of the template among them; with answers alone 20–70 % are usual."
        ).format(share=share),
        _("Keep the assistant's tokens (and their end) as labels, and set all others to -100."),
        {"share": share},
    )


def doubled_bos(evidence: RunEvidence) -> Finding | None:
    """Every row begins with the same control token twice: once by the template or the text, once by the program."""
    dataset, model = evidence.dataset, evidence.run.info.get("model") or {}
    named = [model.get(name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")]
    special = [id for ids in named if ids is not None for id in (ids if isinstance(ids, list) else [ids])]
    if dataset is None or not special:
        return None
    starts = dataset.starts[(dataset.ends - dataset.starts) > 2][:MANY]
    if not len(starts):
        return None
    first, second = dataset.tokens[starts], dataset.tokens[starts + 1]
    share = float(np.mean((first == second) & np.isin(first, special)))
    if share < MOST:
        return None
    return Finding(
        "doubled_bos",
        "unusual",
        _("The token that begins a text is there twice."),
        _(
            "{share:.0%} of the examples begin with token {token} twice: once from the template or the text, once from the program."
        ).format(share=share, token=int(first[0])),
        _("Take one away: no <|endoftext|> in the text, and add_special_tokens=False where the template has one."),
        {"share": share, "token": int(first[0])},
    )


def _logged_share(evidence: RunEvidence) -> float | None:
    """The share of positions that were targets, where the loop logged it and read many."""
    rows = [row for row in evidence.curves.rows if row.get("targets") is not None and row.get("tokens")]
    if not rows or rows[-1]["tokens"] < MANY:
        return None
    return sum(row["targets"] for row in rows) / rows[-1]["tokens"]
