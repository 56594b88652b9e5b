"""What the grader of group_advantage is graded with."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(
    Text(
        "平均值是对所有题一起求的：难题的回答会全是负的，容易题的全是正的。",
        "The mean is taken over all prompts: all answers to a hard one become negative, all to an easy one positive.",
    )
)
def mean_of_everything(rewards_GN, normalise):
    centred = rewards_GN - rewards_GN.mean()
    return centred / (rewards_GN.std(1, keepdim=True) + 1e-4) if normalise else centred


@mistake(
    Text(
        "标准差是对所有题一起求的，应当每组各算各的。",
        "The deviation is that of all prompts together; every group has its own.",
    )
)
def deviation_of_everything(rewards_GN, normalise):
    centred = rewards_GN - rewards_GN.mean(1, keepdim=True)
    return centred / (rewards_GN.std() + 1e-4) if normalise else centred


@mistake(
    Text(
        "维度弄反了：你比较的是不同题目的回答。一行才是一组。",
        "The dimension is the wrong one: you compare answers to different prompts. A row is a group.",
    )
)
def over_the_prompts(rewards_GN, normalise):
    centred = rewards_GN - rewards_GN.mean(0, keepdim=True)
    if not normalise:
        return centred
    return centred / (rewards_GN.std(0, unbiased=len(rewards_GN) > 1, keepdim=True) + 1e-4)


@mistake(
    Text("标准差的分母用了 N，应当是 N - 1。", "The standard deviation has N below, and N - 1 is asked for."),
)
def biased_deviation(rewards_GN, normalise):
    centred = rewards_GN - rewards_GN.mean(1, keepdim=True)
    return centred / (rewards_GN.std(1, unbiased=False, keepdim=True) + 1e-4) if normalise else centred


@mistake(
    Text(
        "没有加 0.0001：奖励全都一样的组变成了 NaN。",
        "The 0.0001 is missing: groups of equal rewards become NaN.",
    )
)
def nothing_added(rewards_GN, normalise):
    centred = rewards_GN - rewards_GN.mean(1, keepdim=True)
    return centred / rewards_GN.std(1, keepdim=True) if normalise else centred


@mistake(
    Text(
        "0.0001 加在了方差上（根号里面），应当加在标准差上：奖励相差很小时，两者差得很远。",
        "The 0.0001 is added to the variance, inside the root, and belongs to the deviation: they differ where rewards hardly do.",
    )
)
def added_inside_the_root(rewards_GN, normalise):
    centred = rewards_GN - rewards_GN.mean(1, keepdim=True)
    return centred / (rewards_GN.var(1, keepdim=True) + 1e-4).sqrt() if normalise else centred


@mistake(Text("除以了方差，应当除以标准差。", "This divides by the variance, not by the standard deviation."))
def by_the_variance(rewards_GN, normalise):
    centred = rewards_GN - rewards_GN.mean(1, keepdim=True)
    return centred / (rewards_GN.var(1, keepdim=True) + 1e-4) if normalise else centred


@mistake(Text("不管 normalise 是什么都归一化了。", "It normalises whatever `normalise` says."))
def always_normalised(rewards_GN, normalise):
    return (rewards_GN - rewards_GN.mean(1, keepdim=True)) / (rewards_GN.std(1, keepdim=True) + 1e-4)


@mistake(Text("normalise 为真时也没有归一化。", "It never normalises, also when `normalise` is true."))
def never_normalised(rewards_GN, normalise):
    return rewards_GN - rewards_GN.mean(1, keepdim=True)


@mistake(Text("没有减平均值，只除以了标准差。", "The mean is not subtracted; it only divides by the deviation."))
def not_centred(rewards_GN, normalise):
    return rewards_GN / (rewards_GN.std(1, keepdim=True) + 1e-4) if normalise else rewards_GN.clone()


@mistake(Text("符号反了：好的回答得到了负的优势。", "The sign is turned: good answers get negative advantages."))
def mean_minus_reward(rewards_GN, normalise):
    centred = rewards_GN.mean(1, keepdim=True) - rewards_GN
    return centred / (rewards_GN.std(1, keepdim=True) + 1e-4) if normalise else centred


@mistake(
    Text(
        "减的是别的回答的平均，不含自己（留一法）。",
        "It subtracts the mean of the others, without the answer itself (leave one out).",
    )
)
def leave_one_out(rewards_GN, normalise):
    N = rewards_GN.shape[1]
    centred = (rewards_GN - rewards_GN.mean(1, keepdim=True)) * N / (N - 1)
    return centred / (rewards_GN.std(1, keepdim=True) + 1e-4) if normalise else centred


@mistake(Text("你改动了 rewards_GN 本身。", "You changed rewards_GN itself."))
def changed_in_place(rewards_GN, normalise):
    spread = rewards_GN.std(1, keepdim=True) + 1e-4
    rewards_GN -= rewards_GN.mean(1, keepdim=True)
    return rewards_GN / spread if normalise else rewards_GN.clone()


@variant
def by_hand(rewards_GN, normalise):
    mean = rewards_GN.sum(1, keepdim=True) / rewards_GN.shape[1]
    centred = rewards_GN - mean
    if not normalise:
        return centred
    variance = centred.pow(2).sum(1, keepdim=True) / (rewards_GN.shape[1] - 1)
    return centred / (variance.sqrt() + 1e-4)


@variant
def row_by_row(rewards_GN, normalise):
    rows = []
    for row in rewards_GN:
        centred = row - row.mean()
        rows.append(centred / (row.std() + 1e-4) if normalise else centred)
    return torch.stack(rows)


@variant
def with_std_mean(rewards_GN, normalise):
    std, mean = torch.std_mean(rewards_GN, dim=-1, keepdim=True)
    return (rewards_GN - mean) / (std + 1e-4 if normalise else 1)


@variant
def with_a_matrix(rewards_GN, normalise):
    N = rewards_GN.shape[1]
    centred = F.linear(rewards_GN, torch.eye(N, dtype=rewards_GN.dtype) - 1 / N)
    return centred / (rewards_GN.std(1, keepdim=True) + 1e-4) if normalise else centred
