"""One training loop, and what it stands on: losses, optimizers, schedules, checkpoints."""
