"""The parts in the order of the book, and what the engine must know of each. Nothing here needs torch.

A part is a field of `fledge.parts.Parts`, an exercise of the same name, and a maker of cases in `cases.py`; a test holds
the four together.
"""

from __future__ import annotations

from dataclasses import dataclass

from fledge.lang import Text


@dataclass(frozen=True)
class Part:
    """Attributes:
    generating: whether a model that writes uses it.
    mutates: arguments that it changes in place.
    watched: whether its results are looked at at once for what is no number; in the model the loss shows them.
    fp32: whether it sees fp32 whatever the model computes in.
    """

    about: Text
    generating: bool = False
    mutates: tuple[int, ...] = ()
    watched: bool = False
    fp32: bool = False


PARTS: dict[str, Part] = {
    "rms_norm": Part(Text("归一化：把向量缩放到同样的大小", "scales every vector to the same size"), generating=True),
    "apply_rope": Part(Text("旋转位置编码：位置变成角度", "turns positions into angles (RoPE)"), generating=True),
    "attention": Part(Text("注意力：每个位置从前面读取什么", "what a position reads from before it"), generating=True),
    "swiglu": Part(Text("前馈层的门：让多少信息通过", "the gate of the feed-forward layer"), generating=True),
    "route_tokens": Part(Text("混合专家的路由：词元去找哪几个专家", "which experts a token goes to"), generating=True),
    "cross_entropy": Part(Text("损失：猜下一个词元猜得有多差", "the loss: how bad a guess was")),
    "clip_gradients": Part(
        Text("梯度裁剪：一步不能走得太远", "keeps a step from going too far"), mutates=(0,), watched=True, fp32=True
    ),
    "adamw_step": Part(
        Text("优化器：按梯度更新一个张量", "the optimizer's update of a tensor"),
        mutates=(0, 2, 3),
        watched=True,
        fp32=True,
    ),
    "lr_at": Part(Text("学习率：训练到这里该走多大的步", "the learning rate over a run"), watched=True, fp32=True),
    "sft_targets": Part(Text("微调的目标：只有回答才算进损失", "in fine-tuning only answers count"), fp32=True),
    "sample": Part(Text("采样：从概率里抽出下一个词元", "draws the next token"), generating=True, fp32=True),
}

FORWARD = tuple(name for name, part in PARTS.items() if part.generating)
