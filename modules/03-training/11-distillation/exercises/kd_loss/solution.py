import torch.nn.functional as F
from torch import Tensor


def kd_loss(student_NV: Tensor, teacher_NV: Tensor, temperature: float) -> Tensor:
    """temperature² times the sum over N of KL(teacher ‖ student), in nats, of the softmax of logits / temperature."""
    student = F.log_softmax(student_NV.float() / temperature, dim=-1)
    teacher = F.log_softmax(teacher_NV.detach().float() / temperature, dim=-1)
    return temperature**2 * (teacher.exp() * (teacher - student)).sum()
