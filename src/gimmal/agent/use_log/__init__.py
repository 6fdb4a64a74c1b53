"""The log of use: what the other side did here, kept for the keeper alone (docs/decisions/0071-log-of-use.md).

`notes.py` gathers without I/O, `use_log.py` writes what it gathered in batches, `store.py` keeps it sealed in files of
bounded size, `reading.py` reads it back.
"""
