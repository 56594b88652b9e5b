"""Does a model folder mean the same in Hugging Face transformers? transformers is the oracle, never a dependency."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge.api import LM

TEXT = "Two plus 3 is 5. 小明住在海边,他喜欢吃苹果!\n\n<think> 你好, world? 🙂"
MESSAGES = [
    {"role": "user", "content": "你好, who are you?"},
    {"role": "assistant", "content": "I am a small model."},
    {"role": "user", "content": "2 + 3 = ?"},
]
TOLERANCE = 1e-4  # fp32 sums in another order differ by less; a wrong mask, angle or weight by far more


@dataclass
class Agreement:
    """How a folder behaves in transformers beside the model that was exported."""

    transformers: str
    """its version"""
    max_logit_difference: float
    """the largest absolute difference of a logit over TEXT"""
    same_tokens: bool
    """TEXT gives the same token ids"""
    same_prompt: bool
    """MESSAGES render to the same prompt ids"""

    @property
    def ok(self) -> bool:
        return self.max_logit_difference <= TOLERANCE and self.same_tokens and self.same_prompt


def have_transformers() -> bool:
    return importlib.util.find_spec("transformers") is not None


def compare(lm: LM, folder: Path) -> Agreement:
    """Load `folder` in transformers and compare it with `lm`: logits in fp32 on the CPU, token ids, chat template."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    ours = lm.model.to("cpu", torch.float32).eval()
    ids = lm.tokenizer.encode(TEXT)[: ours.config.max_position_embeddings]
    with torch.no_grad():
        ids_BT = torch.tensor([ids])
        difference = (ours(ids_BT) - theirs(ids_BT).logits).abs().max().item()
    prompt = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, tokenize=False)
    return Agreement(
        transformers=transformers.__version__,
        max_logit_difference=difference,
        same_tokens=tokenizer.encode(TEXT, add_special_tokens=False)[: len(ids)] == ids,
        same_prompt=tokenizer.encode(prompt, add_special_tokens=False) == lm.tokenizer.prompt_ids(MESSAGES),
    )
