def lora_targets(names: list[str], patterns: list[str]) -> list[str]:
    """The names of the layers that get an adapter, in the order of `names`."""
    return [name for name in names if any(name == pattern or name.endswith("." + pattern) for pattern in patterns)]
