from torch import Tensor


def gae(rewards_T: Tensor, values_T: Tensor, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimates of the tokens of one answer.

    rewards_T: [T], the reward that came with each token; values_T: [T], what the critic expected before each token. After the
    last token the answer is over, and nothing more is to come. Returns [T].
    """
    raise NotImplementedError
