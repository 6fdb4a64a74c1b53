"""What half and relay say to each other (docs/spec/relay.md). No I/O, no clock, no randomness.

``url`` reads a relay's address, ``messages`` holds the structs and their limits, ``frames`` cuts a stream
into them, ``proof`` is what a half signs, ``spki`` finds the key in a certificate. ``control`` is what both
ends of a control connection share; ``client`` and ``server`` are the two machines: bytes in, events out,
bytes out, next deadline.
"""
