"""Reading the YAML files that the book is written in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fledge.errors import UserError
from fledge.lang import _


def read_yaml(file: Path) -> Any:
    """What a YAML file says; UserError when it cannot be read."""
    import yaml

    # The loader in C is ten times as fast, and there wherever PyYAML was installed as a wheel.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(file.read_text(encoding="utf-8"), loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise UserError(_("'{file}' cannot be read: {why}.").format(file=file, why=why)) from error
