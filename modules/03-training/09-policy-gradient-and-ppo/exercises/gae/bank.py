"""What the grader of gae is graded with."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def backwards(rewards_T, values_T, step, end=0.0):
    """`step(reward, value, next value, ahead)` from the last token to the first."""
    out, ahead, following = torch.zeros_like(rewards_T), 0.0, end
    for t in reversed(range(len(rewards_T))):
        ahead = step(rewards_T[t], values_T[t], following, ahead)
        out[t], following = ahead, values_T[t]
    return out


@mistake(
    Text(
        "累积时忘了 γ：后面的 A 要乘 γλ，不只是 λ。",
        "γ is missing where A is added up: the A behind is times γλ, not λ alone.",
    )
)
def only_lambda(rewards_T, values_T, gamma, lam):
    return backwards(rewards_T, values_T, lambda r, v, n, a: r + gamma * n - v + lam * a)


@mistake(Text("累积时忘了 λ。", "λ is missing where A is added up."))
def only_gamma(rewards_T, values_T, gamma, lam):
    return backwards(rewards_T, values_T, lambda r, v, n, a: r + gamma * n - v + gamma * a)


@mistake(Text("下一个价值没有打折：应当是 γ V_{t+1}。", "The next value is not discounted: it is γ V_{t+1}."))
def next_value_not_discounted(rewards_T, values_T, gamma, lam):
    return backwards(rewards_T, values_T, lambda r, v, n, a: r + n - v + gamma * lam * a)


@mistake(Text("没有减去这一步的价值 V_t。", "The value of this step, V_t, is not subtracted."))
def value_not_subtracted(rewards_T, values_T, gamma, lam):
    return backwards(rewards_T, values_T, lambda r, v, n, a: r + gamma * n + gamma * lam * a)


@mistake(
    Text(
        "δ 里没有下一个价值：那样只剩 r_t - V_t，价值网络看到的前景没有用上。",
        "The next value is missing in δ: only r_t - V_t is left, and what the critic sees ahead is not used.",
    )
)
def no_next_value(rewards_T, values_T, gamma, lam):
    return backwards(rewards_T, values_T, lambda r, v, n, a: r - v + gamma * lam * a)


@mistake(
    Text(
        "最后一个词元之后的价值应当是 0，你用了最后一个价值本身：回答已经结束，没有后面了。",
        "After the last token the value is 0, and you took the last value again: the answer is over, nothing follows.",
    )
)
def goes_on_after_the_end(rewards_T, values_T, gamma, lam):
    return backwards(rewards_T, values_T, lambda r, v, n, a: r + gamma * n - v + gamma * lam * a, values_T[-1])


@mistake(
    Text(
        "方向反了：你从前往后累积，优势看的是过去。",
        "The direction is wrong: you add up from the front, and the advantage looks at the past.",
    )
)
def forwards(rewards_T, values_T, gamma, lam):
    following = torch.cat((values_T[1:], torch.zeros_like(values_T[:1])))
    deltas = rewards_T + gamma * following - values_T
    out, behind = torch.zeros_like(rewards_T), 0.0
    for t in range(len(deltas)):
        behind = deltas[t] + gamma * lam * behind
        out[t] = behind
    return out


@mistake(
    Text(
        "你返回的是回报 A_t + V_t（价值网络要学的目标），要的是优势 A_t。",
        "You return A_t + V_t, what the critic is to learn; the advantage A_t is asked for.",
    )
)
def returns_instead(rewards_T, values_T, gamma, lam):
    return backwards(rewards_T, values_T, lambda r, v, n, a: r + gamma * n - v + gamma * lam * a) + values_T


@mistake(
    Text(
        "只算了一步的意外 δ_t，没有累积后面的。", "This is the surprise of one step, δ_t: the later ones are not added."
    )
)
def one_step_only(rewards_T, values_T, gamma, lam):
    return backwards(rewards_T, values_T, lambda r, v, n, a: r + gamma * n - v)


@mistake(
    Text("价值错位了：V_{t+1} 用成了 V_{t-1}。", "The values are shifted the wrong way: V_{t-1} stands for V_{t+1}.")
)
def value_before(rewards_T, values_T, gamma, lam):
    before = torch.cat((torch.zeros_like(values_T[:1]), values_T[:-1]))
    deltas = rewards_T + gamma * before - values_T
    return backwards(deltas, torch.zeros_like(deltas), lambda d, v, n, a: d + gamma * lam * a)


@mistake(Text("δ 的符号反了。", "The sign of δ is turned."))
def turned(rewards_T, values_T, gamma, lam):
    return backwards(rewards_T, values_T, lambda r, v, n, a: v - r - gamma * n + gamma * lam * a)


@mistake(Text("你改动了 rewards_T 本身。", "You changed rewards_T itself."))
def written_into_the_rewards(rewards_T, values_T, gamma, lam):
    right = backwards(rewards_T, values_T, lambda r, v, n, a: r + gamma * n - v + gamma * lam * a)
    return rewards_T.copy_(right).clone()


@variant
def with_a_matrix(rewards_T, values_T, gamma, lam):
    T = len(rewards_T)
    following = torch.cat((values_T[1:], values_T.new_zeros(1)))
    deltas = rewards_T + gamma * following - values_T
    distance = torch.arange(T)[None, :] - torch.arange(T)[:, None]
    weights = torch.tensor(
        [[(gamma * lam) ** d if d >= 0 else 0.0 for d in row] for row in distance.tolist()], dtype=torch.float64
    )
    return weights.to(deltas) @ deltas


@variant
def in_a_list(rewards_T, values_T, gamma, lam):
    values = [*values_T, torch.zeros_like(values_T[0])]
    found, ahead = [], torch.zeros_like(values[0])
    for t in range(len(rewards_T) - 1, -1, -1):
        ahead = rewards_T[t] + gamma * values[t + 1] - values[t] + gamma * lam * ahead
        found.insert(0, ahead)
    return torch.stack(found)


@variant
def from_lambda_returns(rewards_T, values_T, gamma, lam):
    """The λ-return G_t = r_t + γ((1 - λ) V_{t+1} + λ G_{t+1}), minus the value."""
    out, later, following = torch.zeros_like(rewards_T), 0.0, 0.0
    for t in reversed(range(len(rewards_T))):
        later = rewards_T[t] + gamma * ((1 - lam) * following + lam * later)
        out[t] = later - values_T[t]
        following = values_T[t]
    return out
