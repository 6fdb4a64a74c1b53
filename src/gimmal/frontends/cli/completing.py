"""Completion in the shell: commands and options by click, and names of this computer wherever a value is typed."""

from __future__ import annotations

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)


def complete_files() -> None:
    """Let the shell complete file names where click knows nothing; without it no path could be completed at all."""
    for shell, kind in (("bash", BashComplete), ("zsh", ZshComplete), ("fish", FishComplete)):
        add_completion_class(_with_files(kind), shell)


def _with_files(kind: type[ShellComplete]) -> type[ShellComplete]:
    class WithFiles(kind):  # type: ignore[misc, valid-type]  # one subclass for each shell
        def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
            found: list[CompletionItem] = super().get_completions(args, incomplete)
            # A name of the other side: bash hands its colon on as a word of its own.
            far = incomplete.startswith(":") or args[-1:] == [":"]
            if found or far or not args or incomplete.startswith("-"):
                return found
            return [CompletionItem(incomplete, type="file")]

    return WithFiles
