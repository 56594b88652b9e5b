"""Learning rates far from the right one: a run that blows up, and one that hardly moves."""

from __future__ import annotations

import re
from typing import Any

from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.lang import say

FAR = 30.0  # times the usual rate: beyond any sensible choice
WORTH_SAYING = 3.0  # times the usual rate
RISE = 0.5  # nats above the start: no averaged loss climbs so far by chance
SPIKE = 2.0  # nats above ln V in a single step, from scratch; a chat's first batches can differ by that much
FAR_START = 0.5  # nats from ln V; small random weights of any usual kind begin nearer
BARELY = 0.10  # share of the way from ln V to 0
EARLY = 0.25  # of the run: before that, little progress means little


def not_a_number(evidence: RunEvidence) -> Finding | None:
    """The loop stops at a loss that is no number; other programs' loops go on."""
    error = str((evidence.run.info.get("results") or {}).get("error", ""))
    last = [row.get("loss") for row in evidence.curves.rows[-3:]]
    if not re.search(r"became (nan|-?inf)", error) and (len(last) < 3 or any(loss is not None for loss in last)):
        return None
    finite = [row for row in evidence.curves.rows if row.get("loss") is not None]
    losses, norms = (
        ", ".join(f"{row[key]:.3g}" for row in finite[-5:] if row.get(key)) for key in ("loss", "grad_norm")
    )
    step = (finite[-1]["step"] if finite else 0) + 1
    return Finding(
        "nan",
        "broken",
        say("损失或梯度变成了 NaN 或无穷大。", "The loss or its gradient became NaN or infinite."),
        say(
            f"在第 {step} 步；之前几步的损失：{losses}；梯度范数：{norms}。",
            f"At step {step}; losses before it: {losses}; gradient norms: {norms}.",
        )
        + rate_words(evidence),
        say(
            "把学习率降到三分之一再跑；若仍如此，用 --precision fp32，并查看出错那一步的数据。",
            "Run it again with a third of the learning rate; if that does not help, with --precision fp32, and look at "
            "the batch of that step.",
        ),
        {"step": step} | rate_numbers(evidence),
    )


def bad_start(evidence: RunEvidence) -> Finding | None:
    """New weights that do not guess evenly: the loss of a run from nothing begins at ln V (a tied head: where the record
    says)."""
    if evidence.base or not evidence.language or evidence.start is None or evidence.begin is None:
        return None
    if evidence.begin - evidence.landmarks.get("begin", evidence.start) < FAR_START:
        return None
    return Finding(
        "bad_start",
        "unusual",
        say(
            "初始权重太大：还没学，模型就已经很自信，而且是错的。",
            "The initial weights are too large: it is sure, and wrong, from the start.",
        ),
        say(
            f"第一步之前的损失是 {evidence.begin:.2f}；一无所知应当是 ln V = {evidence.start:.2f}。",
            f"The loss before the first step is {evidence.begin:.2f}; knowing nothing costs ln V = {evidence.start:.2f}.",
        ),
        say(
            "输出层用 0 或标准差 0.02 初始化，残差分支的最后一层用 0。",
            "Start the head from 0 or a standard deviation of 0.02, and the last matrix of every residual branch from 0.",
        ),
        {"begin": evidence.begin, "start": evidence.start},
    )


def diverged(evidence: RunEvidence) -> Finding | None:
    """The loss climbed above where it began, or fell and came back."""
    early = [
        row["loss"]
        for row in evidence.curves.rows[: len(evidence.curves.rows) // 20 + 1]
        if row.get("loss") is not None
    ]
    if not early or len(evidence.loss) < 2:
        return None
    begin = max(evidence.start or 0.0, *early[:1]) if not evidence.base else max(evidence.start or 0.0, *early)
    low, now = min(evidence.loss), evidence.loss[-1]
    spike = max(row["loss"] for row in evidence.curves.rows if row.get("loss") is not None)
    climbed = max(evidence.loss[1:]) > begin + RISE or (spike > begin + SPIKE and not evidence.base)
    if not climbed and now < low + 0.5 * (begin - low):
        return None
    return Finding(
        "lr_too_high",
        "broken",
        say("训练发散了：学习率太高。", "The run diverged: the learning rate is too high."),
        say(
            f"损失从 {begin:.2f} 开始，最低 {low:.2f}，最高 {spike:.2f}，现在 {now:.2f}。",
            f"The loss began at {begin:.2f}, was {low:.2f} at its lowest and {spike:.2f} at its highest, and is {now:.2f}.",
        )
        + rate_words(evidence),
        _lower(evidence),
        {"begin": begin, "lowest": low, "highest": spike, "now": now} | rate_numbers(evidence),
    )


def rate_too_high(evidence: RunEvidence) -> Finding | None:
    """It did not diverge (Muon and norms forgive much), but the rate is beyond any sensible choice."""
    if not _above(evidence, FAR):
        return None
    return Finding(
        "lr_too_high",
        "broken" if evidence.behind else "unusual",
        say("学习率太高。", "The learning rate is too high."),
        where(evidence) + rate_words(evidence),
        _lower(evidence),
        rate_numbers(evidence),
    )


def rate_too_low(evidence: RunEvidence) -> Finding | None:
    """It hardly moves; or only what has its own rate does (embedding and head), and the blocks stay as they were."""
    if not evidence.language or evidence.start is None or evidence.end is None or evidence.curves.progress < EARLY:
        return None
    stuck = evidence.end > (1 - BARELY) * evidence.start and not evidence.base
    low = evidence.rate is not None and evidence.rate[2] < 1 / FAR and evidence.behind
    if not (stuck or low):
        return None
    return Finding(
        "lr_too_low",
        "broken",
        say("学习率太低：损失几乎没有动。", "The learning rate is too low: the loss hardly moves.")
        if stuck
        else say(
            "学习率太低：网络主体几乎没有学到东西。",
            "The learning rate is too low: the body of the network hardly learns.",
        ),
        where(evidence) + rate_words(evidence),
        say(
            f"提高 {_flag(evidence)}：常用值是 {_usual(evidence)}。",
            f"Raise {_flag(evidence)}: the usual value is {_usual(evidence)}.",
        ),
        {"loss": evidence.end} | rate_numbers(evidence),
    )


def rate_words(evidence: RunEvidence) -> str:
    """The rate beside the usual one, where the two are far from each other."""
    if evidence.rate is None or 1 / WORTH_SAYING < evidence.rate[2] < WORTH_SAYING:
        return ""
    name, value, ratio, _ = evidence.rate
    zh, en = (f"{ratio:.3g} 倍", f"{ratio:.3g} times") if ratio > 1 else (f"1/{1 / ratio:.3g}", f"1/{1 / ratio:.3g} of")
    return say(
        f"{name} = {value:g}，是常用值 {_usual(evidence)} 的 {zh}。",
        f" {name} = {value:g} is {en} the usual {_usual(evidence)}.",
    )


def rate_numbers(evidence: RunEvidence) -> dict[str, Any]:
    return dict(zip(("setting", "rate", "times_the_usual", "usual"), evidence.rate)) if evidence.rate else {}


def where(evidence: RunEvidence) -> str:
    """The loss between its landmarks."""
    words = say(f"损失 {evidence.end:.2f}", f"The loss is {evidence.end:.2f}")
    if evidence.start is not None:
        words += say(f"，起点 ln V = {evidence.start:.2f}", f"; ln V is {evidence.start:.2f}")
    if evidence.counts is not None:
        words += say(
            f"，只数单个词元是 {evidence.counts.unigram:.2f}，数词对是 {evidence.counts.bigram:.2f}",
            f", counting single tokens gives {evidence.counts.unigram:.2f}, counting pairs {evidence.counts.bigram:.2f}",
        )
    return words + say("。", ".")


def _above(evidence: RunEvidence, times: float) -> bool:
    return evidence.rate is not None and evidence.rate[2] > times


def _flag(evidence: RunEvidence) -> str:
    return f"--{evidence.rate[0].replace('_', '-')}" if evidence.rate else "--lr"


def _usual(evidence: RunEvidence) -> str:
    return f"{evidence.rate[3]:g}" if evidence.rate else "?"


def _lower(evidence: RunEvidence) -> str:
    if _above(evidence, WORTH_SAYING):
        return say(
            f"把 {_flag(evidence)} 降到常用值 {_usual(evidence)}。",
            f"Lower {_flag(evidence)}: the usual value is {_usual(evidence)}.",
        )
    return say(
        "把学习率降到三分之一，或把 --warmup 加倍。", "Take a third of the learning rate, or twice the --warmup."
    )
