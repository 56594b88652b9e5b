"""The architecture as a test: imports go down the floors only, and nothing heavy loads before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from fledge.cli import VERBS

SRC = Path(__file__).resolve().parent.parent / "src" / "fledge"
FLOORS = [
    {"lang", "errors", "records", "device", "display", "world", "proofs"},
    {"model", "tokenizer", "parts", "adapt", "quant", "lab", "course", "endpoint"},
    {"training", "data", "planning", "diagnose", "generate", "rewards", "rollout"},
    {"jobs", "evaluate", "serve", "synth", "recipes"},
    {"api"},
    {"cli", "interop", "studio"},
]
FLOOR = {area: number for number, areas in enumerate(FLOORS, 1) for area in areas}
# On the third floor only these ways; generate stands alone.
SAME_FLOOR = {
    3: {
        ("training", "data"),
        ("planning", "training"),
        ("planning", "data"),
        ("diagnose", "training"),
        ("diagnose", "data"),
        ("rewards", "data"),
        ("rollout", "data"),
        ("rollout", "generate"),
        ("rollout", "rewards"),
        ("rollout", "training"),
    }
}


def imports(path: Path) -> list[tuple[int, str]]:
    """(line, module) of everything that a file imports, inside functions too; not what only a type checker sees."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the whole name"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def area_of(path: Path) -> str:
    """The part of the package that a file belongs to: its top folder, or its own name."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def files() -> list[Path]:
    return [path for path in sorted(SRC.rglob("*.py")) if area_of(path) not in ("__init__", "__main__")]


def test_every_area_has_a_floor():
    assert {area_of(path) for path in files()} <= set(FLOOR)


@pytest.mark.parametrize("area", sorted({area_of(path) for path in files()}))
def test_imports_go_down_only(area):
    wrong = []
    for path in files():
        if area_of(path) != area:
            continue
        for line, module in imports(path):
            parts = module.split(".")
            if parts[0] != "fledge" or parts[1:2] == ["__version__"]:
                continue
            target = parts[1] if len(parts) > 1 else ""
            floor, below = FLOOR[area], FLOOR.get(target, 0)
            allowed = target == area or below < floor or (below == floor and _beside(floor, area, target))
            if not below or not allowed:
                wrong.append(f"{path.relative_to(SRC)}:{line} imports {module}")
    assert wrong == []


def _beside(floor: int, area: str, target: str) -> bool:
    return (area, target) in SAME_FLOOR[floor] if floor in SAME_FLOOR else True


def test_the_oracles_stay_out_of_the_engine():
    """transformers costs 9–20 s to import and is no dependency."""
    oracles = {"transformers", "peft", "trl", "datasets", "accelerate", "torchvision"}
    users = {area_of(path) for path in files() for _, module in imports(path) if module.split(".")[0] in oracles}
    assert users <= {"interop"}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh Python holds after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('LOADED', *{{name.split('.')[0] for name in sys.modules}})"],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


HEAVY = {"torch", "transformers", "matplotlib", "tokenizers", "pyarrow"}


def test_import_fledge_is_cheap():
    assert not loaded_by("import fledge") & (HEAVY | {"numpy", "tyro", "rich"})


def test_help_is_cheap():
    assert not loaded_by("from fledge.cli import main\nmain(['--help'])") & (HEAVY | {"numpy", "tyro", "rich"})


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_loads_no_torch(verb):
    code = f"from fledge.cli import main\nassert main([{verb!r}, '--help']) == 0"
    assert not loaded_by(code) & HEAVY


def test_the_engine_does_not_know_the_course():
    """A learner's functions come in as a value (`fledge.parts.Parts`); who passed what is nothing to the engine."""
    engine = {"model", "tokenizer", "parts", "adapt", "quant", "training", "data", "planning", "generate", "jobs"}
    wrong = [
        f"{path.relative_to(SRC)}:{line} imports {module}"
        for path in files()
        if area_of(path) in engine
        for line, module in imports(path)
        if module.startswith("fledge.course")
    ]
    assert wrong == []


def graph() -> dict[str, set[str]]:
    """Module -> modules of this package that it imports, also inside functions."""
    names = {".".join(("fledge", *path.relative_to(SRC).with_suffix("").parts)): path for path in SRC.rglob("*.py")}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}

    def module_of(name: str) -> str:
        while name and name not in names:
            name = name.rpartition(".")[0]
        return name

    return {
        name: {module_of(found) for _, found in imports(path)} & set(names) - {name, "fledge"}
        for name, path in names.items()
    }


def test_no_file_imports_itself_by_way_of_others():
    arrows = graph()
    done: set[str] = set()

    def circle(name: str, above: tuple[str, ...]) -> tuple[str, ...]:
        if name in above:
            return (*above[above.index(name) :], name)
        if name in done:
            return ()
        found = next((way for other in sorted(arrows[name]) if (way := circle(other, (*above, name)))), ())
        done.add(name)
        return found

    assert [way for name in sorted(arrows) if (way := circle(name, ()))] == []
