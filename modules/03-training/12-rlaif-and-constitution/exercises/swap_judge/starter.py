def swap_judge(first: str, second: str) -> float | None:
    """Answer 1 beside answer 2 by a judge asked in both orders: 1, 0, or ½ when they disagree; None without a verdict."""
    raise NotImplementedError
