def violates(text: str, rules: list[str]) -> list[int]:
    """The numbers of the rules (from 0) that a text breaks."""
    raise NotImplementedError
