"""Entry point of the command ``gimmal``: finds the command's file only when it is asked for."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from gimmal import __version__

_COMMANDS = {
    "pair": ("join two halves: two sticks or folders that then know each other", "pair"),
    "half": ("show what may be shown of a half, or erase its keys", "half"),
    "password": ("set or clear the password of a half", "password"),
    "up": ("plug in: answer the other side and share folders", "up"),
    "shares": ("name what this computer shares with a pair, once for all", "shares"),
    "awake": ("keep this computer awake while the other side is connected", "awake"),
    "service": ("serve halves by itself as soon as they are plugged in", "service"),
    "unlock": ("give the service the password of a half", "unlock"),
    "unplug": ("end the use of a half, so that it may be pulled out", "unplug"),
    "ls": ("list shares and folders of the other side", "ls"),
    "tree": ("list everything below a folder of the other side", "tree"),
    "stat": ("show size, time and kind of a file or folder", "stat"),
    "cat": ("print files of the other side", "cat"),
    "edit": ("edit a document of the other side in your own program", "edit"),
    "conflicts": ("list files that both sides changed, and decide which stays", "conflicts"),
    "play": ("play a film of the other side, and seek in it", "play"),
    "dav": ("show the other side's files as a network drive", "dav"),
    "mount": ("show the other side's files as a folder of this computer", "mount"),
    "unmount": ("end what gimmal mount shows", "unmount"),
    "pin": ("keep folders of the other side with the half", "pin"),
    "unpin": ("keep a folder with the half no more", "unpin"),
    "pins": ("list what is kept with the half", "pins"),
    "cp": ("copy files and folders, either way", "cp"),
    "sync": ("mirror a folder, one way, to the other side or from it", "sync"),
    "transfers": ("list, pause, resume and cancel queued copies", "transfers"),
    "mv": ("rename or move on the other side", "mv"),
    "rm": ("remove files and folders of the other side", "rm"),
    "mkdir": ("make folders on the other side", "mkdir"),
    "trash": ("list, restore or destroy what sync replaced or deleted", "trash"),
    "df": ("show the room on the disks of the other side", "df"),
    "speed": ("measure disks, ciphers and lines, and name the narrow part", "speed"),
    "status": ("show this half, its agent, and the way to the other side", "status"),
    "log": ("show what the other side did here: who, when, what", "log"),
    "relay": ("run a relay", "relay"),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"gimmal.frontends.cli.{_COMMANDS[cmd_name][1]}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The short texts stand in the table, so that --help imports no command.
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (text, _module) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            # click would end the process with 1 before the border sees it.
            from gimmal.frontends.cli.output import finish, report_error

            finish(report_error(exc))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            close = _closest(args[0])
            if close:
                raise click.UsageError(f"{exc.message} Did you mean '{close}'?", ctx) from None
            raise


def _closest(name: str) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, _COMMANDS, 1)), None)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gimmal")
def gimmal() -> None:
    """Join two halves; plug each into a computer; each reaches the other side's files, end to end encrypted.

    ':path' names the other side, a plain path this computer. Exit codes: docs/how-to/exit-codes.md.
    """


def run(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its documented code."""
    from gimmal.frontends.cli.output import finish, open_missing_streams, report_error, want_json

    open_missing_streams()
    # Set by the shell's completion function, as click names it.
    if "_GIMMAL_COMPLETE" in os.environ:
        from gimmal.frontends.cli.completing import complete_files

        complete_files()
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] != ["relay"]:
        # A relay has no half, and its operator may want to see what a crash leaves.
        from gimmal.frontends.cli.pulled import arm

        arm()
    # Until the command has read its options; the relay's --json is for its log.
    want_json("--json" in words and words[0] != "relay")
    try:
        result = gimmal.main(args=arguments, prog_name="gimmal", standalone_mode=False)
    except Exception as exc:  # noqa: BLE001 - the one border where every failure becomes an exit code
        finish(report_error(exc))
    except KeyboardInterrupt as exc:
        finish(report_error(exc))
    finish(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    run(sys.argv[1:])
