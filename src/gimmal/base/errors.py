"""The one error tree. Each class says whose fault it is; each instance says what to do next.

::

    GimmalError
    ├── InternalError           ours: a bug in gimmal
    ├── UsageError              the person's: the command cannot mean anything
    ├── HalfError               the half in hand
    │   ├── HalfMissing             no half there
    │   ├── HalfDamaged             unreadable, truncated, altered
    │   ├── HalfUnsupported         written by a newer gimmal
    │   ├── JoinAgain               a joining was cut short; the two must be joined again
    │   ├── PairRefused             these two may not be joined like this
    │   ├── HalfInUse               another program serves this half
    │   ├── HalfGone                it was pulled out
    │   ├── HalfDisabled            it was disabled with its code
    │   └── WrongPassword           the password does not open it
    ├── LocalError              this computer's disk or system
    ├── UnreachableError        the way to the other side
    │   ├── RelayError              a relay: absent, refused, of another key
    │   ├── PeerAbsent              the other side is not plugged in or did not answer
    │   │   └── PeerSilent              it closed the connection without a word
    │   ├── DeadlinePassed          a question without an answer in time
    │   └── Interrupted             a transfer was cut; running the command again continues it
    ├── PeerError               the other side broke a rule
    │   ├── AuthenticationFailed    a tag was wrong: altered on the way, or not the peer
    │   ├── ProtocolViolation       bytes that the specification forbids
    │   └── VersionMismatch         it speaks another protocol version
    ├── RemoteError             the other side answered no; carries a code of the protocol's table
    ├── BadName                 a name that the rules of paths refuse, whoever sent or typed it
    └── PartlyDone              a command over many files: some were done, some failed

Exit codes are part of the command-line contract (docs/how-to/exit-codes.md) and tested as such.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    PARTLY = 3
    REFUSED = 4
    HALF = 5
    PASSWORD = 6
    UNREACHABLE = 7
    INTERRUPTED = 8
    LOCAL = 9
    PEER = 10
    DISABLED = 11


class GimmalError(Exception):
    """Root of the tree.

    Args:
        message: one sentence, lower case, no full stop, already displayable.
        hint: what the person can do next; may be empty only where nothing can be done.
    """

    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InternalError(GimmalError):
    """A bug in gimmal."""


class UsageError(GimmalError):
    """The command cannot mean anything as written."""

    exit_code = ExitCode.USAGE


class HalfError(GimmalError):
    """Something about the half in hand."""

    exit_code = ExitCode.HALF


class HalfMissing(HalfError):
    """There is no half at the place named."""


class HalfDamaged(HalfError):
    """The half cannot be read, is cut short, or was altered."""


class HalfUnsupported(HalfError):
    """The half has a format version this program does not know."""


class JoinAgain(HalfError):
    """A joining was cut short so that this half works with no other; the two must be joined again."""


class PairRefused(HalfError):
    """These two folders may not be joined as asked."""


class HalfInUse(HalfError):
    """Another program already serves this half."""


class HalfGone(HalfError):
    """The half was pulled out while in use."""


class HalfDisabled(HalfError):
    """The pair was disabled with its code."""

    exit_code = ExitCode.DISABLED


class WrongPassword(HalfError):
    """The password given does not open the half."""

    exit_code = ExitCode.PASSWORD


class LocalError(GimmalError):
    """This computer: disk full, permission, a file that cannot be read or written."""

    exit_code = ExitCode.LOCAL


class UnreachableError(GimmalError):
    """No way to the other side."""

    exit_code = ExitCode.UNREACHABLE


class RelayError(UnreachableError):
    """A relay is absent, refuses, or shows another key than the URL pins.

    Args:
        hopeless: asking again changes nothing until a person does something.
    """

    def __init__(self, message: str, hint: str = "", *, hopeless: bool = False) -> None:
        super().__init__(message, hint)
        self.hopeless = hopeless


class PeerAbsent(UnreachableError):
    """The other side is not plugged in, or did not answer.

    ``last_seen`` is the second since 1970 at which the message says that it was seen last; 0 where it says none.
    """

    last_seen = 0


class PeerSilent(PeerAbsent):
    """Something answered the connection and closed it without a byte: it does not know this half's keys."""

    def __init__(self) -> None:
        super().__init__(
            "the other side did not answer",
            "if the pair was joined again since, this half is dead: use the new one",
        )


class DeadlinePassed(UnreachableError):
    """A question was not answered in time."""


class Interrupted(UnreachableError):
    """A transfer was cut short; the same command continues it."""

    exit_code = ExitCode.INTERRUPTED


class PeerError(GimmalError):
    """The other side, or whoever stands on the wire, broke a rule."""

    exit_code = ExitCode.PEER


class AuthenticationFailed(PeerError):
    """An authentication tag was wrong."""


class ProtocolViolation(PeerError):
    """Bytes or an order of them that the specification forbids."""


class VersionMismatch(PeerError):
    """The other side speaks another protocol version.

    Args:
        ours: the version this program speaks.
        theirs: the version the other side speaks.
    """

    def __init__(self, ours: int, theirs: int) -> None:
        newer = "this computer" if theirs > ours else "the other side"
        super().__init__(
            f"the other side speaks protocol version {theirs}, this program version {ours}",
            f"update gimmal on {newer}",
        )
        self.ours = ours
        self.theirs = theirs


class RemoteError(GimmalError):
    """The other side answered no.

    Args:
        code: name of an error code of the protocol's table, for instance ``not_found``.
        message: displayable sentence.
        hint: what to do next.
    """

    exit_code = ExitCode.REFUSED

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


class BadName(GimmalError):
    """A name or path that docs/spec/names.md refuses, whoever sent or typed it."""

    exit_code = ExitCode.REFUSED


class PartlyDone(GimmalError):
    """Some items of a command over many were done and some failed.

    Args:
        failures: displayable name and reason of each item that failed.
    """

    exit_code = ExitCode.PARTLY

    def __init__(self, message: str, hint: str, failures: tuple[tuple[str, str], ...]) -> None:
        super().__init__(message, hint)
        self.failures = failures
