from torch import Tensor


def group_advantage(rewards_GN: Tensor, normalise: bool) -> Tensor:
    """How much better every answer is than the others to the same prompt.

    rewards_GN: [G, N], the rewards of N answers to each of G prompts. Returns [G, N]: every reward minus the mean of its group;
    with `normalise` divided by (the group's standard deviation + 1e-4), where the standard deviation has N - 1 below.
    """
    centred = rewards_GN - rewards_GN.mean(1, keepdim=True)
    return centred / (rewards_GN.std(1, keepdim=True) + 1e-4) if normalise else centred
