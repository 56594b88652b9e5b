def strip_think(text: str) -> tuple[str, str]:
    """(what stands between <think> and </think> at the beginning, the answer after it), both without white space around."""
    raise NotImplementedError
