"""The asking side: files as a person or program sees them, and the engine that copies them.

``Files`` is one tree of files behind the questions of the protocol; ``RemoteFiles`` asks the other side through a
session, ``LocalFiles`` this computer's disk through the share room, so that one copy engine serves both directions
and both ends keep the same rules. ``copy_plan`` decides what goes where, ``copy_tree`` and ``copy_file`` move it,
``progress`` counts it.
"""
