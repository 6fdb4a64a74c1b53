"""Keeping this computer from sleeping while its peer is connected, where its owner wants that
(docs/decisions/0076-awake-while-the-other-side-is-there.md).

`kept.py` is the owner's choice, `stay_awake.py` decides when sleep is held off, `holding.py` finds the system's way to
do it: `logind.py`, `caffeinate.py` or `windows_power.py`.
"""
