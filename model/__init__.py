"""MiniMind's folder `model`: its model under its own names, and the tokenizer that its scripts use."""
