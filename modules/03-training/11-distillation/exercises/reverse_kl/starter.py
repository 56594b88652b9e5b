from torch import Tensor


def reverse_kl(student_NV: Tensor, teacher_NV: Tensor, learnt_N: Tensor) -> Tensor:
    """The mean over the positions where `learnt_N` is True of KL(student ‖ teacher), in nats; 0 when there are none."""
    raise NotImplementedError
