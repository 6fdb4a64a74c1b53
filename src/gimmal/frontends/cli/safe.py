"""``gimmal status --safe``: whether the half may be pulled out now, and if not, why."""

from __future__ import annotations

from gimmal.agent.safe import Unplugging, look_at_unplugging
from gimmal.base.display import displayable
from gimmal.base.errors import ExitCode, GimmalError
from gimmal.frontends.cli.output import counted, print_json
from gimmal.frontends.cli.reaching import Way, run_with_reach


def say_whether_safe(way: Way, *, as_json: bool) -> None:
    """Print the answer.

    Raises:
        GimmalError: it is not safe; exit code REFUSED. Or it cannot be known.
    """
    found = run_with_reach(way, look_at_unplugging)
    if as_json:
        print_json(_json(found))
    elif found.safe:
        print("safe: the half may be pulled out")
    else:
        for reason in _reasons(found):
            print(f"not safe: {reason}")
    if not as_json and found.unsent.on_half:
        print(f"on the half: {counted(found.unsent.on_half, 'file')} still going home from wherever it is plugged in")
    if not found.safe:
        error = GimmalError("the half should not be pulled out yet", _advice(found))
        error.exit_code = ExitCode.REFUSED
        raise error


def _reasons(found: Unplugging) -> list[str]:
    reasons = [f"gimmal {displayable(use.command)} runs (process {use.process})" for use in found.uses]
    if found.moving:
        reasons.append(f"{counted(found.moving, 'transfer')} under way")
    if found.unsent.on_computer:
        reasons.append(f"{counted(found.unsent.on_computer, 'file')} still going home, kept on this computer only")
    reasons += [f"edits in {displayable(str(path))} cannot be read" for path in found.unsent.unreadable]
    return reasons


def _advice(found: Unplugging) -> str:
    """What to do; it stands by itself, for whoever reads the answer from elsewhere."""
    steps = ["end the commands that use it"] if found.uses else []
    if found.moving:
        steps.append("wait until the transfers are done, or pause them")
    if found.unsent.on_computer:
        steps.append("wait until the files that are kept here have gone home")
    if found.unsent.unreadable:
        # Not to remove them: another half on this disk may be the one that can read them.
        steps.append("the edits that cannot be read are named until they are moved away")
    return "; ".join(steps)


def _json(found: Unplugging) -> dict[str, object]:
    return {
        "safe": found.safe,
        "commands": [{"process": use.process, "command": use.command} for use in found.uses],
        "transfers_moving": found.moving,
        "going_home": found.unsent.files,
        "on_this_computer": found.unsent.on_computer,
        "unreadable": [str(path) for path in found.unsent.unreadable],
    }
