"""The channel between two halves: gate, Noise handshake, record layer and renewal (docs/spec/channel.md).

Nothing here does I/O, reads a clock or draws randomness: bytes, times and fresh keys are arguments.
"""
