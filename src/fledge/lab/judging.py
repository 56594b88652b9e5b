"""What labs about reward models have in common: made-up answers whose worth is known, and the smallest model that scores them.

An answer is some words, each of which is worth something; the answer is worth their mean, whatever its length. Letters: N
answers, P pairs, T words, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

VOCAB, SHORTEST, LONGEST = 20, 4, 12


@dataclass(frozen=True)
class Answers:
    """How often every word stands in each, over its length: shares_NV; `worth_N` is what nobody who judges them sees."""

    shares_NV: Tensor
    lengths_N: Tensor
    worth_N: Tensor

    def __getitem__(self, which: Tensor) -> Answers:
        return Answers(self.shares_NV[which], self.lengths_N[which], self.worth_N[which])


def worth_of_words() -> Tensor:
    """[V], drawn with torch's own seed."""
    return torch.randn(VOCAB)


def answers(count: int, worth_V: Tensor, lengths_N: Tensor | None = None) -> Answers:
    """Answers of random words; of random lengths where none are given."""
    if lengths_N is None:
        lengths_N = torch.randint(SHORTEST, LONGEST + 1, (count,))
    words_NT = torch.randint(VOCAB, (count, LONGEST))
    there_NT = (torch.arange(LONGEST) < lengths_N[:, None]).float()
    shares_NV = torch.zeros(count, VOCAB).scatter_add(1, words_NT, there_NT) / lengths_N[:, None]
    return Answers(shares_NV, lengths_N, shares_NV @ worth_V)


def judged(left: Answers, right: Answers, left_wins_P: Tensor) -> tuple[Answers, Answers]:
    """(chosen, rejected) of every pair."""
    count = len(left_wins_P)
    both = Answers(*(torch.cat(pair) for pair in zip(vars(left).values(), vars(right).values())))
    chosen_P = torch.arange(count) + count * (~left_wins_P)
    return both[chosen_P], both[(chosen_P + count) % (2 * count)]


class Judge(nn.Module):
    """A number for every word, the mean of which is the score, and one for every word that an answer has. All begin at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.word_V = nn.Parameter(torch.zeros(VOCAB))
        self.longer = nn.Parameter(torch.zeros(()))

    def forward(self, given: Answers) -> Tensor:
        """Scores [N]."""
        return given.shares_NV @ self.word_V + self.longer * given.lengths_N

    def train_on(self, chosen: Answers, rejected: Answers, steps: int, loss_of: Callable[..., Tensor]) -> Judge:
        """Learn from all pairs at every step, without a margin; `loss_of` is the engine's, `training.preference.reward_loss`."""
        optimizer, none = torch.optim.AdamW(self.parameters(), lr=0.05, weight_decay=0.0), torch.zeros(())
        for _step in range(steps):
            loss = loss_of(self(chosen), self(rejected), none, 0.01).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return self
