import re


def violates(text: str, rules: list[str]) -> list[int]:
    """The numbers of the rules (from 0) that a text breaks."""
    broken = []
    for number, rule in enumerate(rules):
        wanted = not rule.startswith("!")
        found = re.search(rule.removeprefix("!"), text, re.IGNORECASE) is not None
        if found == (not wanted):
            broken.append(number)
    return broken
