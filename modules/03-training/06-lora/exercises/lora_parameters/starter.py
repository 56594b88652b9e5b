def lora_parameters(config: dict, r: int, targets: list[str]) -> int:
    """The number of trained parameters of LoRA of rank r on those layers of every block."""
    raise NotImplementedError
