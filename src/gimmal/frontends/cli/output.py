"""What every command says and how it ends: data to stdout, talk to stderr, ``error:`` then ``hint:``."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Any, NoReturn

import click

from gimmal.base.errors import ExitCode, GimmalError, PartlyDone

_json_wanted = False

# Files and sockets of ours have borders that translate; what comes through without a name is stdout's.
_OUTPUT_FAULTS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG))

# Older versions of click print the help by themselves.
_NoArguments: tuple[type[BaseException], ...] = (
    (click.exceptions.NoArgsIsHelpError,) if hasattr(click.exceptions, "NoArgsIsHelpError") else ()
)


def want_json(wanted: bool) -> None:
    """Print the errors of this run as JSON too."""
    global _json_wanted
    _json_wanted = wanted


def print_json(value: object) -> None:
    """One JSON value on a line of stdout, in ASCII: a foreign name neither moves the cursor nor reverses a line."""
    import json

    # JSON itself leaves one control character as it is.
    sys.stdout.write(json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f") + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """One line of talk to stderr."""
    print(text, file=sys.stderr, flush=True)


def report_error(error: BaseException) -> int:
    """Print an error and return the exit code it documents."""
    if isinstance(error, GimmalError):
        return _report(error)
    if isinstance(error, _NoArguments):
        # Nothing was asked for yet: the help is the answer, not an error's message.
        say(str(error))
        return int(ExitCode.USAGE)
    if isinstance(error, click.UsageError):
        message = error.format_message()
        path = error.ctx.command_path if error.ctx is not None else "gimmal"
        return _print(_lower(message), f"`{path} --help` shows what is possible", ExitCode.USAGE)
    if isinstance(error, click.ClickException):
        return _print(_lower(error.format_message()), "", ExitCode.USAGE)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return _print("interrupted", "run the command again to continue", ExitCode.INTERRUPTED)
    if isinstance(error, BrokenPipeError) and _reader_has_left():
        # Whoever read our output has gone; that is no failure of ours, and nothing can be said to them.
        with contextlib.suppress(OSError):
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
        return int(ExitCode.OK)
    if isinstance(error, OSError) and error.errno in _OUTPUT_FAULTS and error.filename is None:
        return _output_lost(error)
    import traceback

    traceback.print_exception(error, file=sys.stderr)
    return _print(
        "gimmal failed by a mistake of its own", "please report the lines above; they hold no secret", ExitCode.INTERNAL
    )


def _report(error: GimmalError) -> int:
    failures: tuple[tuple[str, str], ...] = error.failures if isinstance(error, PartlyDone) else ()
    if not _json_wanted:
        for name, reason in failures:
            say(f"failed: {name}: {reason}" if name else f"failed: {reason}")
    return _print(error.message, error.hint, error.exit_code, failures)


def _print(message: str, hint: str, code: ExitCode, failures: tuple[tuple[str, str], ...] = ()) -> int:
    if _json_wanted:
        value: dict[str, Any] = {"error": message, "hint": hint, "exit_code": int(code)}
        if failures:
            value["failures"] = [{"name": name, "reason": reason} for name, reason in failures]
        with contextlib.suppress(OSError):
            print_json(value)
    say(f"error: {message}")
    if hint:
        say(f"hint: {hint}")
    return int(code)


def _reader_has_left() -> bool:
    """Whether nobody reads stdout or stderr any more; a broken pipe elsewhere is a failure like any other."""
    import select

    left = select.POLLERR | select.POLLHUP
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(events & left for _descriptor, events in poll.poll(0))


def _output_written() -> bool:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _output_lost(error: OSError | None) -> int:
    reason = (error.strerror if error is not None else None) or "the disk or device refused it"
    return _print(
        f"cannot write the output: {reason.lower()}",
        "look at what the output goes to, then run the command again",
        ExitCode.LOCAL,
    )


def open_missing_streams() -> None:
    """Give a process that was started with closed standard streams others in their place.

    Without them the next file or connection would take their numbers. What is read ends at once; what is printed
    to a closed stdout fails, as on a full disk: a disable code must not vanish unseen.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115 - lives as long as the process
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process


def finish(code: int) -> NoReturn:
    """End the process now, without waiting for threads that a disk may block."""
    if not _output_written() and code == ExitCode.OK:
        code = _output_lost(None)
    with contextlib.suppress(BrokenPipeError, ValueError, OSError):
        sys.stderr.flush()
    os._exit(code)


def _lower(message: str) -> str:
    return (message[:1].lower() + message[1:]).rstrip(".")


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: ``1 hard link``, ``2 hard links``; ``many`` where an s does not make the plural."""
    return f"1 {one}" if number == 1 else f"{number:,} {many or one + 's'}"


def human_size(size: int) -> str:
    """A number of bytes as a person reads it, in powers of 1,000 as disks are sold."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB", "PB", "EB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
    return f"{value:.0f} EB"


def local_time(nanoseconds: int) -> str:
    """A time of change in local time, to the minute; a wild one as a question mark."""
    import datetime

    try:
        moment = datetime.datetime.fromtimestamp(nanoseconds // 1_000_000_000).astimezone()
    except (OverflowError, OSError, ValueError):
        return "?"
    return moment.strftime("%Y-%m-%d %H:%M")
