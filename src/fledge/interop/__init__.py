"""Doors to other programs' formats; `minimind/` is all of MiniMind."""

FORMATS = {".pth": "fledge.interop.minimind.folder:pth_folder"}
"""Files of other programs that may be named as a model: suffix -> what makes a model folder of one (its path -> the
folder's), by name, so that it is imported when such a file is named. `fledge.model.source` looks here."""
