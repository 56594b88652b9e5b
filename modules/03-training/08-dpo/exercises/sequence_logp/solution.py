import torch.nn.functional as F
from torch import Tensor


def sequence_logp(logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """log p of every answer, [B]: the sum over its tokens; labels of -100 are no part of it."""
    labels_BS = labels_BT[:, 1:]
    logps_BSV = F.log_softmax(logits_BTV[:, :-1], dim=-1)
    logps_BS = logps_BSV.gather(2, labels_BS.clamp(min=0)[..., None]).squeeze(2)
    return (logps_BS * (labels_BS != -100)).sum(1)
