"""Labels that are not the next token, and weights that were not loaded: the loss is of something else than it seems."""

from __future__ import annotations

from typing import Any

from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.diagnose.rates import FAR
from fledge.lang import say

UNIFORM = 0.06  # nats from ln V; a model that knows something is not so near to it twice
EARLY = 0.25  # of the run: samples of before that are no evidence
FLAT = 0.04  # of the entropy of single tokens: a plateau there is neither further away nor still falling
INSTANT = 0.15  # of the run: copying an input is learnt at once, looking ahead takes attention


def nothing_loaded(evidence: RunEvidence) -> Finding | None:
    """It begins at ln V, as no model does that knows anything: new weights guess evenly.

    Twice, on different text: a model that knows something may meet ln V once (a chat template that it has never seen can
    cost more than that).
    """
    start, losses = evidence.start, [row.get("loss") for row in evidence.curves.rows[:2]]
    if not evidence.base or start is None or evidence.curves.first() is None or len(losses) < 2:
        return None
    validated = bool(evidence.curves.vals) and evidence.curves.vals[0]["step"] == 0
    first, begin = losses[0], evidence.begin if validated else losses[1]
    if first is None or begin is None or abs(first - start) > UNIFORM or abs(begin - start) > UNIFORM:
        return None
    return Finding(
        "nothing_loaded",
        "broken",
        say(
            "起始模型的权重没有载入，模型是从零开始学的。",
            "The weights to start from were not loaded: it began from nothing.",
        ),
        say(
            f"一开始的损失：第一个批次 {first:.3f}，{'验证集' if validated else '第二个批次'} {begin:.3f}，"
            f"正是一无所知时的 ln V = {start:.3f}。",
            f"At first the loss was {first:.3f} on the first batch and {begin:.3f} on the "
            f"{'validation text' if validated else 'second'}: just the ln V = {start:.3f} of knowing nothing.",
        ),
        say(
            f"查 --model 给的是不是训练过的权重：`fledge eval {evidence.base}` 会给出它的损失。",
            f"See whether --model names trained weights: `fledge eval {evidence.base}` shows their loss.",
        ),
        {"begin": begin, "first": first, "start": start},
    )


def sees_the_answer(evidence: RunEvidence) -> Finding | None:
    """A loss too good to be true, of a model that cannot write: in training the answer was among its inputs."""
    if not evidence.language or evidence.end is None or not evidence.loss:
        return None
    best = min(evidence.end, evidence.loss[-1])
    bits, floor = evidence.curves.final("val_bpb"), evidence.landmarks.get("floor")
    impossible = floor is not None and bits is not None and bits < 0.9 * floor
    unearned = evidence.counts is not None and best < 0.5 * evidence.counts.bigram and evidence.strange_text
    if not (impossible or unearned or (evidence.run.info["job"] == "pretrain" and best < 0.02)):
        return None
    words = say(f"损失只有 {best:.3f}", f"The loss is only {best:.3f}")
    if impossible:
        words += say(
            f"；验证集每字节 {bits:.3f} 比特，低于这份文本的熵 {floor:.3f}，任何模型都做不到",
            f"; {bits:.3f} bits a byte on validation text whose entropy is {floor:.3f}, which no model can do",
        )
    at = next((i for i, value in enumerate(evidence.loss) if value < 0.3), evidence.curves.parts)
    copies = at < max(1, INSTANT * evidence.curves.parts)
    return Finding(
        "sees_the_answer",
        "broken",
        say(
            "模型训练时看得到答案：标签就是当前的输入，没有错开一位。",
            "It sees the answer in training: the label is the current input, not the next one.",
        )
        if copies
        else say(
            "模型训练时看得到答案：因果掩码漏了未来的位置，或标签错位到了过去。",
            "It sees the answer in training: the mask lets it look ahead, or the labels are shifted into the past.",
        ),
        words + say("。", ".") + _written_words(evidence),
        _print_one(),
        {"loss": best, "val_bpb": bits, "floor": floor, "copies": copies} | _written_numbers(evidence),
    )


def unrelated_labels(evidence: RunEvidence) -> Finding | None:
    """A plateau at the entropy of single tokens: nothing in the inputs helps to guess the labels."""
    counts, end = evidence.counts, evidence.end
    if counts is None or end is None or evidence.curves.progress < 0.5 or len(evidence.loss) < 4:
        return None
    fallen = evidence.loss[len(evidence.loss) // 2] - evidence.loss[-1]
    far = evidence.rate is not None and not 1 / FAR < evidence.rate[2] < FAR
    if far or abs(end / counts.unigram - 1) > FLAT or fallen > FLAT * counts.unigram:
        return None
    return Finding(
        "labels_shifted",
        "broken",
        say(
            "标签与输入对不上：它只学到了每个词元有多常见。",
            "The labels do not belong to the inputs: it learnt how frequent every token is, and no more.",
        ),
        say(
            f"损失停在 {end:.2f}；只数单个词元是 {counts.unigram:.2f}，数词对是 {counts.bigram:.2f}。",
            f"The loss stays at {end:.2f}; counting single tokens gives {counts.unigram:.2f}, counting pairs "
            f"{counts.bigram:.2f}.",
        ),
        _print_one(),
        {"loss": end, "unigram": counts.unigram, "bigram": counts.bigram},
    )


def shifted_labels(evidence: RunEvidence) -> Finding | None:
    """The curve looks like one, but what the model writes has other neighbours than the text."""
    text = evidence.written
    if text is None or evidence.curves.progress < EARLY or not evidence.strange_text:
        return None
    by_one = text.skip < text.bigram - 0.5
    return Finding(
        "labels_shifted",
        "broken",
        say(
            "标签多错开了一位：它学的是再下一个词元。",
            "The labels are shifted once too often: it learns the token after the next one.",
        )
        if by_one
        else say("标签错位：它学的不是下一个词元。", "The labels are shifted: it does not learn the next token."),
        _written_words(evidence).strip(),
        _print_one(),
        {"by_one": by_one} | _written_numbers(evidence),
    )


def _written_words(evidence: RunEvidence) -> str:
    text, counts = evidence.written, evidence.counts
    if text is None or counts is None:
        return ""
    return say(
        f"它写出的 {text.pairs} 个词元对，按数据的词对表平均 {text.bigram:.1f} nat，按隔一个词元的表 {text.skip:.1f}；"
        f"真正的文字按词对表是 {counts.bigram:.1f}。",
        f" The {text.pairs} pairs of tokens that it wrote cost {text.bigram:.1f} nats each by the data's table of neighbours and "
        f"{text.skip:.1f} by the one of tokens two apart; real text costs {counts.bigram:.1f} by the first.",
    )


def _written_numbers(evidence: RunEvidence) -> dict[str, Any]:
    text, counts = evidence.written, evidence.counts
    if text is None or counts is None:
        return {}
    return {"pairs": text.pairs, "written_bigram": text.bigram, "written_skip": text.skip, "bigram": counts.bigram}


def _print_one() -> str:
    return say(
        "打印一行的输入和标签：位置 t 的标签必须正好是位置 t+1 的输入，而且位置 t 只能看到 0…t。",
        "Print one row of inputs and labels: the label at t must be the input at t+1, and position t may see 0…t only.",
    )
