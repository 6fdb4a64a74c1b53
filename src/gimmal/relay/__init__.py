"""The relay server: joins two data legs of a pair byte for byte (docs/spec/relay.md).

``server`` accepts; ``doorstep`` keeps a connection until it has shown what it is; ``control`` carries one control
connection through its machine and the ``switchboard`` (who is connected); ``tickets`` are drawn for links and
``forwarding`` moves their bytes. ``limits`` holds every number, ``penalties`` what misbehaviour costs. ``ledger`` is
what relay and portal share, ``ledger_sqlite`` its one file, ``ledger_thread`` keeps it off the event loop, ``meter``
adds up bytes. ``run`` is the entry function of the command.
"""
