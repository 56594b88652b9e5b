"""How a run went on the whole: too short, too long, worse than its references, turning in circles, ever slower."""

from __future__ import annotations

import statistics

from fledge.diagnose.bands import WIDE
from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.diagnose.rates import rate_numbers, rate_words, where
from fledge.diagnose.repetition import repeats, repetition_of_data
from fledge.lang import say

STEEP = 0.2  # of all the fall in the second half of the run: twice what a run of usual length has
FALLING = 3.0  # standard errors of a part: by so much the last third must lie below the one before
OVER = 0.05  # of the best validation loss: what it may rise by before it counts as overfitting …
OVER_NATS = 0.05  # … and in nats, or a loss near 0 would rise by nothing
LOOPS = 0.5  # share of a sample that repeats itself; the references of the world have at most half of that
DATA_LOOPS = 0.2  # share of the training text that repeats itself
COLLAPSE = 1 / 3  # of the pace that the run had


def too_few_tokens(evidence: RunEvidence) -> Finding | None:
    """It ended, still falling, before it was better than a table of pairs; or, where the data are gone, in a steep fall."""
    loss, counts = evidence.loss, evidence.counts
    parameters = ((evidence.run.info.get("model") or {}).get("num_parameters") or {}).get("active")
    if not evidence.done or not evidence.job.language or evidence.end is None or not parameters or len(loss) < 3:
        return None
    third = -(-len(loss) // 3)
    last, before = statistics.fmean(loss[-third:]), statistics.fmean(loss[-2 * third : -third])
    if before - last < FALLING * evidence.curves.noise() / third**0.5 or evidence.points:
        return None
    tokens = evidence.curves.rows[-1].get("tokens", 0)
    per, fallen = tokens / parameters, (evidence.begin or loss[0]) - loss[-1]
    late = (loss[(len(loss) - 1) // 2] - loss[-1]) / fallen if fallen > 0 else 0.0
    steep = per < 1 and late > STEEP and not evidence.base
    if not (steep if counts is None else min(evidence.end, loss[-1]) > counts.bigram):
        return None
    return Finding(
        "too_few_tokens",
        "unusual",
        say("词元太少：损失还在下降，训练就结束了。", "Too few tokens: it ended while the loss was falling."),
        where(evidence)
        + say(
            f"看过 {tokens:,} 个词元，每个参数 {per:.2f} 个；后半程完成了全部下降的 {late:.0%}。",
            f" It saw {tokens:,} tokens, {per:.2f} a parameter; the second half made {late:.0%} of the fall.",
        )
        + rate_words(evidence),
        say(
            "训练久一些（--steps 加倍）；时间不够就换更小的模型。",
            "Train longer (twice the --steps), or a smaller model if there is no time.",
        ),
        {"tokens": tokens, "tokens_per_parameter": per, "late_share": late} | rate_numbers(evidence),
    )


def above_the_band(evidence: RunEvidence) -> Finding | None:
    """Far worse than the reference runs of the same job, data and shape, and nothing above says why."""
    if evidence.sigmas is None or evidence.sigmas < WIDE:
        return None
    changed = ", ".join(f"{name} {mine} ({theirs})" for name, (mine, theirs) in evidence.changed.items())
    words = say(
        f"平均高出 {evidence.sigmas:.0f} 个标准差。", f"By {evidence.sigmas:.0f} standard deviations on average."
    )
    if changed:
        words += say(f"不同的设置（括号内是参考）：{changed}。", f" Other settings (the reference's): {changed}.")
    return Finding(
        "above_the_band",
        "unusual",
        say("损失明显高于同样设置的参考运行。", "The loss is well above the reference runs of the same kind."),
        words,
        say(
            "用参考的设置重跑一遍；若仍偏高，问题在数据或代码的改动里。",
            "Run it once with the reference's settings; if it stays above, the cause is in the data or in changed code.",
        ),
        {"sigmas": evidence.sigmas, "changed": list(evidence.changed)},
    )


def overfitting(evidence: RunEvidence) -> Finding | None:
    """Validation rises while training falls on data that were read more than once: the model learns them by heart."""
    vals, epochs = evidence.curves.during("val_loss"), evidence.epochs
    if len(vals) < 4 or len(evidence.loss) < 4 or (epochs is not None and epochs < 1):
        return None
    at, best = min(vals, key=lambda pair: pair[1])
    last = vals[-1][1]
    after = [value for value, end in zip(evidence.loss, evidence.curves.ends()) if end >= at]
    if last < best + max(OVER * best, OVER_NATS) or len(after) < 2 or after[-1] > after[0]:
        return None
    words = say(
        f"验证损失在第 {at} 步最低（{best:.3f}），之后升到 {last:.3f}；训练损失同时从 {after[0]:.3f} 降到 {after[-1]:.3f}。",
        f"The validation loss was lowest at step {at} ({best:.3f}) and rose to {last:.3f}, while the training loss fell from "
        f"{after[0]:.3f} to {after[-1]:.3f}.",
    )
    if epochs is not None:
        words += say(f"数据读了 {epochs:.1f} 遍。", f" The data were read {epochs:.1f} times.")
    return Finding(
        "overfitting",
        "unusual",
        say(
            "过拟合：它在背训练数据，对没见过的文字越来越差。",
            "Overfitting: it learns its data by heart and gets worse on other text.",
        ),
        words,
        say(
            f"训练到第 {at} 步左右就停，或加数据、换更小的模型。",
            f"Stop near step {at}, or take more data or a smaller model.",
        ),
        {"best_step": at, "best": best, "last": last, "epochs": epochs},
    )


def repetition(evidence: RunEvidence) -> Finding | None:
    """Samples that turn in circles, of a model that has learnt its text (before that all do). A base model on real text does
    that when it always takes the likeliest token."""
    found = repeats(evidence.samples)
    if found is None or evidence.curves.progress < 0.5 or evidence.counts is None or evidence.behind:
        return None
    rate, worst = found
    known = evidence.dataset is not None and evidence.tokenizer is not None
    data = repetition_of_data(evidence.dataset, evidence.tokenizer) if known else 0.0  # type: ignore[arg-type]
    if rate < (LOOPS if data < DATA_LOOPS else data):
        return None
    usual = not evidence.job.prompts and "floor" not in evidence.landmarks and data < DATA_LOOPS
    words = say(
        f"样例有 {rate:.0%} 在重复自己，训练文字是 {data:.0%}。例如：{_short(worst)}",
        f"{rate:.0%} of the samples repeat themselves, {data:.0%} of the training text. For example: {_short(worst)}",
    )
    if data >= DATA_LOOPS:
        cause = say("它学会了绕圈：训练数据本身就在重复。", "It learnt to repeat itself: the training text does.")
        todo = say(
            "清理重复的文字（`fledge data check` 会数出来），再训练。", "Remove the repeated text, and train again."
        )
    elif usual:
        cause = say(
            "样例在绕圈；每次都取最可能的词元时，小的基础模型常常如此。",
            "Its samples turn in circles, as small base models do when the likeliest token is always taken.",
        )
        todo = say(
            "不必改训练：生成时用 --temperature 0.8；微调之后会少得多。",
            "Nothing to change in training: generate with --temperature 0.8; fine-tuning cures most of it.",
        )
    else:
        cause = say("样例在绕圈。", "Its samples turn in circles.")
        todo = say(
            "训练久一些再看样例；生成时可以用 --temperature 0.8。",
            "Train longer, and look at the samples again; --temperature 0.8 helps when you generate.",
        )
    return Finding("repetition", "note" if usual else "unusual", cause, words, todo, {"rate": rate, "data": data})


def slower(evidence: RunEvidence) -> Finding | None:
    """The pace of the last quarter beside that of the first half; medians, so that a pause or two do not matter."""
    speeds = [row["tokens_per_second"] for row in evidence.curves.rows if row.get("tokens_per_second")]
    if len(speeds) < 20:
        return None
    before, now = statistics.median(speeds[: len(speeds) // 2]), statistics.median(speeds[-len(speeds) // 4 :])
    if now > COLLAPSE * before:
        return None
    memory = [row["memory_mb"] for row in evidence.curves.rows if row.get("memory_mb")]
    words = say(f"从每秒 {before:,.0f} 个词元降到 {now:,.0f}。", f"From {before:,.0f} tokens a second to {now:,.0f}.")
    if memory:
        words += say(f"内存从 {memory[0]} 到 {memory[-1]} MB。", f" Memory went from {memory[0]} to {memory[-1]} MB.")
    return Finding(
        "slower",
        "unusual",
        say(
            "速度垮了：别的程序在抢机器、机器过热，或内存不够在换页。",
            "The pace broke down: another program, heat, or memory swapping.",
        ),
        words,
        say(
            "关掉别的程序，接上电源；内存在涨就减小 --batch-size。结果不受影响。",
            "Close other programs, plug the machine in; if memory grows, lower --batch-size. The result is not affected.",
        ),
        {"before": before, "now": now},
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line[:60]}{'…' if len(line) > 60 else ''}”"
