"""model: what a trained reward model says of the answer (`model=RUN`, a run of `fledge train reward` or its model folder).

Its numbers have no bounds, and only differences mean something: d more says that the better answer wins with probability σ(d)
(Bradley and Terry, 1952). A policy finds what its reward model likes, right or wrong (Gao et al., 2023, arXiv:2210.10760): keep
`beta` above 0, and read the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fledge.errors import UserError, flag
from fledge.lang import _
from fledge.rewards.episode import Episode

if TYPE_CHECKING:
    from fledge.model.reward import RewardModel
    from fledge.tokenizer import Tokenizer


class Model:
    name = "model"

    def __init__(self, judge: RewardModel):
        self.judge = judge
        self.longest = judge.model.config.max_position_embeddings

    def __call__(self, episodes: Sequence[Episode]) -> list[float]:
        """The very tokens of every episode, all together in batches of about one length. Whatever ended an answer, or cut it off,
        it is read up to the end token of the template: a reward model has seen no other end."""
        end = self.judge.tokenizer.im_end_id
        said = [episode.ids[:-1] if episode.finished else episode.ids for episode in episodes]
        return self.judge.scores_of_ids([episode.prompt + ids + [end] for episode, ids in zip(episodes, said)])


def make(argument: str, model: Any, tokenizer: Tokenizer) -> Model:
    """UserError unless the argument names a reward model with the policy's vocabulary."""
    from fledge.model.reward import RewardModel

    if not argument:
        raise UserError(
            _("{flag}: say which reward model: model=RUN, with a run of `fledge train reward`.").format(
                flag=flag("rewards")
            )
        )
    judge = RewardModel.load(argument, device=model.device, dtype=model.compute_dtype)
    own, its = tokenizer.vocabulary(), judge.tokenizer.vocabulary()
    if own != its:
        token = next(token for token in (*own, *its) if own.get(token) != its.get(token))
        raise UserError(
            _(
                "the reward model '{name}' has another vocabulary ({its} tokens) than the model that is trained ({own}); "
                "'{token}', for one, is not the same in both. Train the reward model from this model."
            ).format(name=argument, its=len(its), own=len(own), token=token)
        )
    return Model(judge)
