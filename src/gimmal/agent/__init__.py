"""The running program: a plugged half, both roles, and the socket through which commands use it.

``plugged`` turns an opened half into what transport needs; ``agent`` answers the other side and keeps a session with
its agent; ``control`` lets commands on this computer use that session; ``reach`` is what commands call: through the
agent where one runs, by themselves where none does.
"""
