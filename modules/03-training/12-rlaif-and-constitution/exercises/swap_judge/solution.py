import re


def swap_judge(first: str, second: str) -> float | None:
    """Answer 1 beside answer 2 by a judge asked in both orders: 1, 0, or ½ when they disagree; None without a verdict."""
    marks = [re.findall(r"\[\[([ABC])\]\]", text) for text in (first, second)]
    if not all(marks):
        return None
    one = {"A": 1.0, "B": 0.0, "C": 0.5}[marks[0][-1]]
    other = {"A": 0.0, "B": 1.0, "C": 0.5}[marks[1][-1]]  # here answer 1 stood second
    return one if one == other else 0.5
