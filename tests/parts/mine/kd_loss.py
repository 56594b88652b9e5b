import torch


def kd_loss(student_NV, teacher_NV, temperature):
    p = torch.softmax(teacher_NV.float().detach() / temperature, dim=1)
    q = torch.log_softmax(student_NV.float() / temperature, dim=1)
    entropy = (p * torch.log_softmax(teacher_NV.float().detach() / temperature, dim=1)).sum()
    return temperature**2 * (entropy - (p * q).sum())
