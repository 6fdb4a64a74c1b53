"""Transfers that the agent does one after the other, a few at a time (docs/decisions/0058-transfer-queue.md).

``order`` says what a command hands over; ``machine`` decides, without I/O or clock; ``store`` keeps all of it sealed on
this computer; ``run`` does one transfer with the engine that commands use; ``queue`` joins these; ``messages`` is what
commands ask and are told through the control socket, and ``control`` answers them.
"""
