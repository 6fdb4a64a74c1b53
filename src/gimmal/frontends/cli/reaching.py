"""What every command that asks the other side has in common: which half, which way, and how it waits."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gimmal.base.errors import ExitCode, GimmalError, PartlyDone, UsageError
from gimmal.frontends.cli.output import want_json
from gimmal.frontends.cli.passwords import half_password, password_options

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach, ReachOptions
    from gimmal.protocol.codes import Code
    from gimmal.remote.remote_files import RemoteFiles

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
ResultT = TypeVar("ResultT")

NO_LAN = "GIMMAL_NO_LAN"
"""Environment variable that forbids saying anything on the local network."""


@dataclass(frozen=True)
class Way:
    """The options of ``reach_options`` as given."""

    half: str | None
    at: str | None
    path: str | None
    password: Callable[[], str] | None = field(repr=False)

    def options(self) -> ReachOptions:
        """Checked, for ``agent.reach``."""
        from pathlib import Path

        from gimmal.agent.reach import ReachOptions
        from gimmal.transport.link import PathKind

        return ReachOptions(
            half=Path(self.half) if self.half is not None else None,
            at=parse_address(self.at) if self.at is not None else None,
            only=PathKind(self.path) if self.path is not None else None,
            lan=lan_allowed(),
            password=self.password,
            command=_command_name(),
        )


def _command_name() -> str:
    """Of the command that runs, without the program's name and its arguments."""
    context = click.get_current_context(silent=True)
    return context.command_path.partition(" ")[2] if context is not None else ""


def reach_options(command: CommandT) -> CommandT:
    """Add the options for half, way, password and JSON; the command gets ``way`` and ``as_json``."""

    @wraps(command)
    def with_way(
        *arguments: Any,
        half: str | None,
        at: str | None,
        path_kind: str | None,
        password_file: str | None,
        password_fd: int | None,
        as_json: bool,
        **named: Any,
    ) -> Any:
        want_json(as_json)
        if at is not None and path_kind in ("relayed", "lan"):
            raise UsageError(f"--at dials directly, --path {path_kind} forbids it", "leave one of the two out")
        way = Way(half, at, path_kind, half_password(password_file, password_fd))
        return command(*arguments, way=way, as_json=as_json, **named)

    decorated: Any = password_options(with_way)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "--path",
            "path_kind",
            type=click.Choice(["lan", "direct", "relayed"]),
            help="Insist on this way to the other side.",
        ),
        click.option("--at", metavar="HOST:PORT", help="Dial the other side there, without any relay."),
        click.option("--half", metavar="DIR", help="The half to use; not needed when one is plugged in."),
    ):
        decorated = option(decorated)
    result: CommandT = decorated
    return result


def lan_allowed() -> bool:
    """Whether the other side may be looked for in the local network: not where the environment forbids it."""
    return not os.environ.get(NO_LAN)


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``[IPV6]:PORT``.

    Raises:
        UsageError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"{text!r} is not HOST:PORT", "for example 192.0.2.7:4100 or [2001:db8::7]:4100")
    return host, int(port)


def remote_path(text: str) -> str:
    """The wire path of ``:path``; without a colon the person forgot it.

    Raises:
        UsageError: no colon, or a name that cannot travel.
    """
    from gimmal.base.display import displayable
    from gimmal.remote.copy_plan import typed_path

    if not text.startswith(":"):
        raise UsageError(
            f"{displayable(text)} names this computer, not the other side",
            f"write :{displayable(text)} for the other side",
        )
    return typed_path(text)


def run_reaching(way: Way, work: Callable[[RemoteFiles], Awaitable[ResultT]]) -> ResultT:
    """Reach the other side, do one command's work there, and leave."""

    async def reaching(reach: Reach) -> ResultT:
        reached = await reach.open(as_call=True)
        return await work(reached.files)

    return run_with_reach(way, reaching)


def run_with_reach(way: Way, work: Callable[[Reach], Awaitable[ResultT]]) -> ResultT:
    """As ``run_reaching``, for work that opens sessions itself."""
    from gimmal.agent.reach import Reach
    from gimmal.frontends.cli.pulled import end_when_pulled

    options = way.options()

    async def main() -> ResultT:
        async with Reach(options) as reach:
            end_when_pulled(reach.location)
            return await work(reach)

    return run_async(main())


def run_async(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine on an event loop that can watch sockets."""
    import asyncio

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main)


def failure_of(path: str, error: GimmalError) -> tuple[str, str]:
    """Displayable name and reason of a wire path that a command failed on."""
    from gimmal.base.display import displayable_path

    shown = displayable_path(":" + path)
    return shown, error.message.removeprefix(f"{shown}: ")


def raise_failures(
    failures: list[tuple[str, str]], done: int, what: str, hints: Mapping[Code, str] | None = None
) -> None:
    """End a command over several items that did not do all of them.

    Args:
        hints: by protocol code, where this command knows better than the table what to do.

    Raises:
        PartlyDone: some were done; where none was, its exit code is REFUSED.
        GimmalError: the only one was not; exit code REFUSED.
    """
    if not failures:
        return
    count = len(failures)
    if done == 0 and count == 1:
        name, reason = failures[0]
        error = GimmalError(f"{name}: {reason}" if name else reason, hint_of(reason, hints))
        error.exit_code = ExitCode.REFUSED
        raise error
    partly = PartlyDone(f"{count} of {count + done} could not be {what}", "the lines above say why", tuple(failures))
    if done == 0:
        partly.exit_code = ExitCode.REFUSED
    raise partly


def hint_of(reason: str, hints: Mapping[Code, str] | None = None) -> str:
    """What to do about the reason of a failed item: ``hints``, else the table of the protocol's codes; may be empty."""
    from gimmal.protocol.codes import Code, error_here, error_of_code

    for code in Code:
        for error in (error_of_code(code, ""), error_here(code, "")):
            if reason == error.message or reason.endswith(f": {error.message}"):
                return (hints or {}).get(code, error.hint)
    return ""


def is_here(reason: str) -> bool:
    """Whether the reason of a failed item is this computer's."""
    from gimmal.protocol.codes import Code, error_here

    errors = [error_here(code, "") for code in Code]
    return any(
        reason.endswith(error.message)
        for error in errors
        if error.exit_code is ExitCode.LOCAL and "computer" in error.message
    )
