"""A small language model that writes answers, for labs that tune one: it sees the last few tokens and no more.

Letters: B rows, P tokens of a prompt, L tokens of an answer, T = P + L, K tokens in the window, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Writer(nn.Module):
    """The next token from the last `window` ones through one hidden layer (Bengio et al., 2003, JMLR 3, section 2)."""

    def __init__(self, vocab: int, window: int, width: int = 64):
        super().__init__()
        self.window, self.nothing = window, vocab  # what stands before the first token
        self.embedding = nn.Embedding(vocab + 1, 16)
        self.hidden = nn.Linear(16 * window, width)
        self.head = nn.Linear(width, vocab)

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Scores of the token after each of the given ones, [B, T, V]."""
        windows_BTK = F.pad(ids_BT, (self.window - 1, 0), value=self.nothing).unfold(1, self.window, 1)
        return self.head(F.gelu(self.hidden(self.embedding(windows_BTK).flatten(2))))  # type: ignore[no-any-return]

    @torch.no_grad()
    def write(self, prompts_BP: Tensor, length: int, temperature: float = 1.0) -> Tensor:
        """The prompts with `length` sampled tokens behind each, int64 [B, P + length]. The seed is torch's."""
        ids = prompts_BP
        for _ in range(length):
            odds = (self(ids[:, -self.window :])[:, -1] / temperature).softmax(-1)
            ids = torch.cat([ids, torch.multinomial(odds, 1)], 1)
        return ids

    def logps(self, ids_BT: Tensor, prompt: int) -> Tensor:
        """Log-probability of every token behind the first `prompt` ones, [B, L]."""
        scores_BLV = self(ids_BT[:, :-1])[:, prompt - 1 :]
        return scores_BLV.log_softmax(-1).gather(2, ids_BT[:, prompt:, None])[..., 0]


def optimizer_of(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW without decay."""
    return torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient of `loss`."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def tune(model: Writer, rows_NT: Tensor, learnt_NT: Tensor, steps: int, rate: float, batch: int = 32) -> None:
    """Fine-tune on random rows: the mean of -log p over the tokens for which `learnt_NT` is true. The seed is torch's."""
    optimizer = optimizer_of(model, rate)
    for _ in range(steps):
        picked = torch.randint(len(rows_NT), (batch,))
        losses = -model.logps(rows_NT[picked], 1)
        mask = learnt_NT[picked][:, 1:]
        step(optimizer, losses[mask].sum() / mask.sum())
