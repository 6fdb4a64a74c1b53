"""``gimmal service``: serve halves by itself as soon as they are plugged in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gimmal.frontends.cli.output import print_json, say, want_json

if TYPE_CHECKING:
    from gimmal.agent.service.templated import Template

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


@click.group("service", subcommand_metavar="[install|remove|status|run]")
def command() -> None:
    """Serve each half by itself, from when it is plugged in until it is pulled out, with the shares kept for it.

    The service holds no key: each half has a process of its own, as `gimmal up` is, that ends with it.
    """


def _run_options(function: CommandT) -> CommandT:
    for option in (
        click.option("--no-notify", is_flag=True, help="Show no notices on the desktop."),
        click.option(
            "--half",
            "halves",
            multiple=True,
            metavar="DIR",
            help="Also look in this folder; the tops of mounted disks are looked at anyway.",
        ),
    ):
        function = option(function)
    return function


@command.command("run")
@_run_options
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one object a line.")
def run(halves: tuple[str, ...], no_notify: bool, as_json: bool) -> None:
    """Run the service here until Ctrl-C or SIGTERM; `install` has the system run it."""
    from pathlib import Path

    from gimmal.agent.service.service import Service, ServiceOptions
    from gimmal.frontends.cli.reaching import run_async

    want_json(as_json)
    template = _template()

    def tell(line: str) -> None:
        event, _colon, text = line.partition(": ")
        try:
            if as_json:
                print_json({"event": event, "text": text})
            else:
                print(line, flush=True)
        except OSError:
            pass  # nobody reads it any more: no reason to end

    folders = [Path(half).absolute() for half in halves]

    async def main() -> None:
        await Service(ServiceOptions(_program(), folders, not no_notify, template), tell).run()

    run_async(main())


@command.command("install")
@_run_options
@click.option("--no-start", is_flag=True, help="Write the definition only.")
@click.option("--print", "only_print", is_flag=True, help="Print the definition and change nothing.")
@click.option(
    "--manager",
    type=click.Choice(["systemd", "launchd", "windows"]),
    help="With --print: for which system; this one's otherwise.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def install(
    halves: tuple[str, ...],
    no_notify: bool,
    no_start: bool,
    only_print: bool,
    manager: str | None,
    as_json: bool,
) -> None:
    """Have the system run the service for this user from log-in on. Running it again changes its options."""
    from pathlib import Path

    from gimmal.agent.service import installing
    from gimmal.base.display import displayable
    from gimmal.base.errors import LocalError, UsageError

    want_json(as_json)
    words = [*_program(), "service", "run"]
    for half in halves:
        words += ["--half", str(Path(half).absolute())]
    if no_notify:
        words.append("--no-notify")
    if only_print:
        chosen = installing.Manager(manager) if manager is not None else installing.manager_here()
        # The bytes that would be written: a path need not be text.
        click.echo(os.fsencode(installing.definition(chosen, words)), nl=False)
        return
    if manager is not None:
        raise UsageError("--manager goes with --print", "a system installs its own definition only")
    done = installing.install(words, start=not no_start)
    if as_json:
        print_json({"installed": str(done.path), "started": done.started})
    else:
        print(f"installed: {displayable(str(done.path))}")
        if done.started:
            print("started: gimmal service status shows what it serves")
    if done.trouble:
        raise LocalError(
            f"the service is installed but not started: {done.trouble}",
            "log in again, or run gimmal service run in a terminal",
        )


@command.command("remove")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def remove(as_json: bool) -> None:
    """Stop the service and have the system run it no more. Shares that are kept stay."""
    from gimmal.agent.service import installing

    want_json(as_json)
    done = installing.remove()
    if as_json:
        print_json({"removed": str(done.path)})
    else:
        print("removed: the system does not run the service any more")
    if done.trouble:
        say(f"warning: {done.trouble}")


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Show whether the service runs, and how things stand with each half that is plugged in."""
    from gimmal.agent.service.asking import NoServiceError, service_status
    from gimmal.agent.service.installing import is_installed

    want_json(as_json)
    installed = is_installed()
    value: dict[str, Any] = {"installed": installed, "running": False, "process": None, "halves": []}
    failure: NoServiceError | None = None
    try:
        value |= {"running": True} | service_status()
    except NoServiceError as exc:
        failure = exc
    if as_json:
        print_json(value)
    else:
        _print(value)
    if failure is not None:
        raise failure


def _print(value: dict[str, Any]) -> None:
    import shlex

    from gimmal.base.display import displayable
    from gimmal.frontends.cli.output import local_time

    print(f"service: {'installed' if value['installed'] else 'not installed'}, ", end="")
    print(f"running (process {value['process']})" if value["running"] else "not running")
    for half in value["halves"]:
        state = half["state"].replace("_", " ")
        if half["state"] == "serving":
            state += ", the other side is connected" if half["connected"] else ", the other side is not connected"
        name = f" ({displayable(half['pair'])} {half['side']})" if half["pair"] else ""
        since = local_time(half["since"] * 1_000_000_000)
        print(f"half: {displayable(half['half'])}{name}: {state}, since {since}")
        if half["state"] == "locked":
            folder = half["half"].removesuffix("/GIMMAL")
            print(f"      waiting for its password: gimmal unlock --half {displayable(shlex.quote(folder))}")
        if half["again_in"] is not None:
            print(f"      started again in {half['again_in']:.0f} s")
        if half["reason"]:
            print(f"      error: {half['reason']}")


def _template() -> Template | None:
    """Made while this process has one thread, and everything is imported that its agents share with it."""
    from gimmal.agent.service.templated import Template
    from gimmal.frontends.cli.main import run
    from gimmal.frontends.cli.warming import prepare_for_agents

    prepare_for_agents()
    return Template.start(run)


def _program() -> list[str]:
    """Words that run gimmal as it runs here; -P keeps the working folder from standing in for the program."""
    return [sys.executable, "-P", "-m", "gimmal.frontends.cli.main"]
