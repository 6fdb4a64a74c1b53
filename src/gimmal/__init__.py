"""gimmal: two halves that lock together, and each side's files in reach of the other.

Rooms, from the bottom up (imports point down this list only):

base        errors, primitives, atomic persistence, path rules, displayable text
half        the token: pairing, storage format, password, lock
noise       Noise handshake and record sealing, without I/O
protocol    messages between two halves and between half and relay, without I/O
transport   links and sessions over asyncio
share       the answering side: shared folders
remote      the asking side: remote files and the copy engine
agent       the running program
frontends   adapters for people and programs
relay       the relay server
"""

__version__ = "0.1.0"
