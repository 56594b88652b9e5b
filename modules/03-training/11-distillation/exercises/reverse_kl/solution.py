import torch.nn.functional as F
from torch import Tensor


def reverse_kl(student_NV: Tensor, teacher_NV: Tensor, learnt_N: Tensor) -> Tensor:
    """The mean over the positions where `learnt_N` is True of KL(student ‖ teacher), in nats; 0 when there are none."""
    student = F.log_softmax(student_NV.float(), dim=-1)
    teacher = F.log_softmax(teacher_NV.float(), dim=-1)
    each = (student.exp() * (student - teacher)).sum(-1)
    return (each * learnt_N).sum() / learnt_N.sum().clamp(min=1)
