"""Doors to other programs' formats."""
