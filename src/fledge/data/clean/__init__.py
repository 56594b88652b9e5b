"""Cleaning: rows of any schema in, cleaned rows of the same schema out, and an account of everything else.

rows      the texts inside a row, whatever its schema; a row is judged as a whole and never cut
repair    mojibake, control and invisible characters, NFC
pii       e-mail, phone, identity card, credit card, address and key become tags
filters   length, language, repetition (Gopher's rules, fitted to Chinese, poetry, code and tables)
units     words and Chinese characters as numbers; n-grams of them
dedup     exact copies by hash, near copies by MinHash
benchmarks  rows that contain 13 units of a test set in a row
report    what every stage did, with examples
pipeline  all of them over files
"""

from fledge.data.clean.pipeline import Options, clean

__all__ = ["Options", "clean"]
