def adamw_step(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    exp_avg.copy_(beta1 * exp_avg + (1 - beta1) * grad)
    exp_avg_sq.copy_(beta2 * exp_avg_sq + (1 - beta2) * grad * grad)
    mean = exp_avg / (1 - beta1**step)
    square = exp_avg_sq / (1 - beta2**step)
    param -= lr * weight_decay * param
    param -= lr * mean / (square.sqrt() + eps)
