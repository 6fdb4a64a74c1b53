"""Messages between two halves, and between half and relay. No I/O, no clock, no randomness.

``limits`` and ``kinds`` hold the numbers, ``messages`` the structs, ``codec`` turns them into bytes and back,
``digest`` defines what a file's digest is, ``session`` is the machine of one session on either side, and
``relay`` the control connection to a relay. A record's body reaches ``session`` opened and leaves it unsealed;
``transport`` carries it.
"""
