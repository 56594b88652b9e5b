"""Formulas for a terminal: LaTeX as readable characters. What is not known stays as it was written."""

from __future__ import annotations

import re

SYMBOLS = {
    "approx": "≈", "cdot": "·", "times": "×", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠",
    "to": "→", "in": "∈", "infty": "∞", "sum": "Σ", "prod": "Π", "partial": "∂", "nabla": "∇", "odot": "⊙", "pm": "±",
    "ldots": "…", "dots": "…", "cdots": "…", "top": "ᵀ", "propto": "∝", "sim": "~", "mid": "|", "ll": "≪", "gg": "≫",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "theta": "θ", "lambda": "λ",
    "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "varphi": "φ", "omega": "ω", "Delta": "Δ",
    "Theta": "Θ", "Sigma": "Σ", "Omega": "Ω", "left": "", "right": "", "quad": "  ", "qquad": "    ", "lfloor": "⌊",
    "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "Vert": "‖", "|": "‖", ",": " ", ";": " ", "!": "", "{": "{", "}": "}",
    "exp": "exp", "log": "log", "ln": "ln", "max": "max", "min": "min", "cos": " cos ", "sin": " sin ", "tanh": "tanh",
    "bigl": "", "bigr": "", "%": "%",
}  # fmt: skip
RAISED = str.maketrans("0123456789+-nTi", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿᵀⁱ")
GROUP = r"\{([^{}]*)\}"


def plain(latex: str) -> str:
    r"""A formula without LaTeX's commands: `\frac{1}{D}\sum_j x_j^2` becomes `1/D Σ_j x_j²`."""
    text, before = " ".join(latex.split()).replace("^\\top", "ᵀ"), ""
    while text != before:  # from the inside out
        before = text
        text = re.sub(r"\\(?:mathrm|mathbf|text|operatorname|textbf|mathbb|mathcal)\s*" + GROUP, r"\1", text)
        text = re.sub(r"\\sqrt\s*" + GROUP, lambda found: "√" + _bound(found[1]), text)
        text = re.sub(r"\\d?frac\s*" + GROUP + r"\s*" + GROUP, lambda f: f"{_bound(f[1])}/{_bound(f[2])} ", text)
        text = re.sub(r"\^" + GROUP, lambda found: _raised(found[1]), text)
        text = re.sub(r"_" + GROUP, lambda found: "_" + _bound(found[1]), text)
    text = re.sub(r"\^(\w)", lambda found: _raised(found[1]), text)
    text = re.sub(r"\\([A-Za-z]+|[|,;!{}%])", lambda found: SYMBOLS.get(found[1], found[0]), text)
    return re.sub(r" {2,}", " ", text).replace(" )", ")").strip()


def _bound(text: str) -> str:
    """In brackets, unless it is one thing."""
    text = text.strip()
    return text if re.fullmatch(r"[\\√]?\w+|\w_\w", text) else f"({text})"


def _raised(text: str) -> str:
    """As a superscript where there are such characters."""
    raised = text.translate(RAISED)
    return raised if all(character not in text for character in raised) else f"^{_bound(text)}"
