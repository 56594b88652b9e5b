"""The reason for every choice of a profile, one sentence each, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fledge.lang import say
from fledge.planning.budget import READINGS, wanted
from fledge.planning.work import computing

if TYPE_CHECKING:
    from fledge.planning.data import Size
    from fledge.planning.facts import Planning
    from fledge.planning.machines import Machine
    from fledge.planning.predict import Plan


def budget(text: str) -> str:
    return {
        "10m": say("先试一次,看看能不能跑通", "a first try: does it run?"),
        "1h": say("一小时", "one hour"),
        "8h": say("一整夜", "one night"),
        "24h": say("一整天", "a day and a night"),
    }[text]


def enough(size: Size) -> str:
    megabytes = f"{size.num_bytes / 1e6:.1f} MB"
    return say(
        f"文本只有 {megabytes},读五遍以后再练只是死记硬背;要练更久就加数据",
        f"the text has only {megabytes}: after five readings it is learned by heart; more time wants more text",
    )


def epochs(number: int) -> str:
    return say(
        {1: "读一遍,最不会过拟合", 2: "读两遍,微调的常用值", 3: "读三遍,再多就开始背答案"}[number],
        {
            1: "one reading: nothing is learned by heart",
            2: "two readings: usual for fine-tuning",
            3: "three readings: with more it learns answers by heart",
        }[number],
    )


def seq_len(tokens: int) -> str:
    if tokens <= 256:
        return say("短行最省内存,先求稳", "short rows take the least memory")
    if tokens <= 512:
        return say("多数文档和对话放得下", "most documents and conversations fit")
    return say("长文档少被切断,注意力更贵", "long documents are cut less often; attention costs more")


def batch_size(rows: int, wanted_rows: int, fits: bool, share: float) -> str:
    if not fits:
        return say("一行都放不下:换更小的模型或更短的行", "not even this fits: take a smaller model or shorter rows")
    if rows >= wanted_rows:
        return say("一步所需的行数一次就能算完", "all rows of a step at once")
    return say(f"在 {share:.0%} 的可用内存里能放下的最多行数", f"the most rows in {share:.0%} of the usable memory")


def accumulation(rows: int, times: int) -> str:
    if times == 1:
        return say("不需要累积", "nothing to add up")
    return say(
        f"{rows} 行算 {times} 次再更新一次,效果等于一次 {rows * times} 行",
        f"{times} passes of {rows} rows make one step: the same as {rows * times} rows at once",
    )


def checkpoint(used: bool, saved_mb: float) -> str:
    if not used:
        return say("不需要:中间结果放得下", "not needed: the activations fit")
    return say(
        f"反向时重算每一层:慢约三分之一,省 {saved_mb / 1024:.1f} GB",
        f"blocks are computed again on the way back: a third slower, {saved_mb / 1024:.1f} GB less",
    )


def precision(name: str, machine: Machine, typed: bool) -> str:
    if typed:
        return say("你自己定的", "you said so")
    if machine.device == "cpu":
        if name == "bf16":
            return say("这个 CPU 上 bf16 测得更快", "measured to be faster on this CPU")
        return say("这个 CPU 上 bf16 更慢", "bf16 is slower on this CPU")
    if name == "bf16":
        return say(
            "这块卡支持 bf16:激活值减半,不需要放大损失", "the card has it: half the activations, no loss scaling"
        )
    return say("这块卡没有 bf16,用 fp16 并放大损失", "the card has no bf16; fp16 with loss scaling")


def model(plan: Plan, free: bool, facts: Planning) -> str:
    """Why this shape: what it wants to read and what it reads."""
    if not free:
        return say("你自己定的", "you said so")
    if not facts.dial:
        return say(
            "没有给 --model:假设从这样一个预训练模型开始", "no --model was given: as if from a model of this shape"
        )
    wants, reads = wanted(computing(plan.shape)), plan.tokens
    if READINGS * plan.text_tokens < wants:
        return say(
            f"文本短,读 {plan.readings:.0f} 遍;同样的时间更大的模型更划算",
            f"the text is short and read {plan.readings:.0f} times: then a larger model is the better use of the time",
        )
    if reads < wants:
        return say(
            f"最小的模型;时间短,它想读 {_count(wants)} 词元,只能读 {_count(reads)}",
            f"the smallest there is: the time is short (it wants {_count(wants)} tokens, it reads {_count(reads)})",
        )
    return say(
        f"这段时间里能读够词元的最大模型(想读 {_count(wants)},能读 {_count(reads)})",
        f"the largest that reads enough in the time (it wants {_count(wants)} tokens, it reads {_count(reads)})",
    )


def _count(number: float) -> str:
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.0f}"
