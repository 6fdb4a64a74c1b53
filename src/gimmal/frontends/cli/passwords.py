"""Where commands take passwords from: the terminal, a file, a file descriptor. Never an argument or the environment."""

from __future__ import annotations

import errno
import getpass
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import click

from gimmal.base.errors import LocalError, UsageError
from gimmal.frontends.cli.output import say

if TYPE_CHECKING:
    from gimmal.half.reading import HalfHeader

_READ_MAX = 4096
_TRIES = 3
_Command = TypeVar("_Command", bound=Callable[..., object])


def is_terminal() -> bool:
    """Whether a person can be asked: input and the talk's output are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def password_options(command: _Command) -> _Command:
    """Add ``--password-file`` and ``--password-fd`` to a click command that opens a half."""
    for option in (
        click.option("--password-fd", type=click.IntRange(0), metavar="N", help="Read the password from descriptor N."),
        click.option("--password-file", metavar="FILE", help="Read the password from FILE (- is standard input)."),
    ):
        command = option(command)
    return command


def given_password(password_file: str | None, password_fd: int | None, what: str = "password") -> str | None:
    """The password from the file or descriptor named, or None when neither is.

    Raises:
        UsageError: both are named, or there is no single line of text.
        LocalError: it cannot be read.
    """
    if password_file is not None and password_fd is not None:
        raise UsageError(f"the {what} was given twice", "give a file or a descriptor, not both")
    if password_file is not None:
        return _read_file(password_file, what)
    if password_fd is not None:
        return _read_descriptor(password_fd, what)
    return None


def half_password(password_file: str | None, password_fd: int | None) -> Callable[[], str] | None:
    """What `gimmal.half.reading.open_half` takes: from file or descriptor, else from the terminal, else None."""
    given = given_password(password_file, password_fd)
    if given is not None:
        return lambda: given
    if is_terminal():
        return lambda: ask("password of this half")
    return None


def new_password(password_file: str | None, password_fd: int | None, pair_name: str) -> str:
    """A new password, asked twice on a terminal when no file or descriptor is named.

    Raises:
        UsageError: there is no terminal, the two differ thrice, or it breaks the rule for new passwords.
    """
    from gimmal.half.password import require_good_password

    given = given_password(password_file, password_fd)
    if given is not None:
        require_good_password(given, pair_name)
        return given
    for last in (False, False, True):
        try:
            typed = ask("new password (12 or more characters, or 4 words)")
            require_good_password(typed, pair_name)
            if ask("the same again") != typed:
                raise UsageError("the two passwords differ", "type the same one twice")
        except UsageError as error:
            if last:
                raise
            say(f"{error.message}: {error.hint}")
        else:
            return typed
    raise AssertionError("the last try returned or raised")


def present_passwords(tries: tuple[str | None, ...]) -> Callable[[HalfHeader], Iterator[str]]:
    """What a joining tries on halves that have a password: those given, then what the person types.

    Three times at most; who types nothing does not know it, which may be what ``--replace`` is for.
    """

    def passwords(header: HalfHeader) -> Iterator[str]:
        yield from dict.fromkeys(one for one in tries if one is not None)
        if is_terminal():
            for _ in range(_TRIES):
                typed = ask(f"{_present_prompt(header)} (empty: not known)")
                if not typed:
                    return
                yield typed

    return passwords


def present_password(given: str | None) -> Callable[[HalfHeader], str]:
    """The present password of a half: the one given, else typed.

    Raises (when called):
        UsageError: neither is possible.
    """

    def password(header: HalfHeader) -> str:
        if given is not None:
            return given
        if not is_terminal():
            raise UsageError(
                f"side {header.side.value} has a password, and there is no terminal to ask for it",
                "give it with --old-password-file",
            )
        return ask(_present_prompt(header))

    return password


def _present_prompt(header: HalfHeader) -> str:
    from gimmal.base.display import displayable

    return f"present password of side {header.side.value} of {displayable(header.pair_name)}"


def ask(prompt: str) -> str:
    """Ask on the terminal without showing what is typed; the prompt goes to stderr.

    Raises:
        click.Abort: the person ended the input.
    """
    try:
        return getpass.getpass(f"{prompt}: ", sys.stderr)
    except (EOFError, KeyboardInterrupt) as error:
        click.echo(err=True)
        raise click.Abort from error


def _read_file(name: str, what: str) -> str:
    if name == "-":
        return _read_descriptor(0, what)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(what, error) from error
    try:
        return _read_descriptor(descriptor, what)
    finally:
        os.close(descriptor)


def _read_descriptor(descriptor: int, what: str) -> str:
    data = bytearray()
    try:
        while len(data) <= _READ_MAX:
            part = os.read(descriptor, _READ_MAX + 1 - len(data))
            if not part:
                break
            data += part
    except OSError as error:
        raise _unreadable(what, error) from error
    line = bytes(data).removesuffix(b"\n").removesuffix(b"\r")
    hint = "put the password on one line, in UTF-8"
    if not line or b"\n" in line or b"\0" in line or len(data) > _READ_MAX:
        raise UsageError(f"the {what} given is empty, too long or more than one line", hint)
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise UsageError(f"the {what} given is not text in UTF-8", hint) from None


def _unreadable(what: str, error: OSError) -> LocalError:
    reason = os.strerror(error.errno or errno.EIO).lower()
    return LocalError(f"cannot read the {what}: {reason}", "check the file or descriptor named")
