"""Commands that mean one of theirs where none is named."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from gimmal.frontends.cli import awake, conflicts, shares, transfers

GROUPS = [conflicts.command, shares.command, awake.command, transfers.command]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_help_names_the_options_that_may_be_written_without_a_command(group: click.Group) -> None:
    shown = CliRunner().invoke(group, ["--help"]).output
    assert "--half DIR" in shown.split("where no command is named:")[1]
    assert shown.count("--help") == 1
    for name in group.commands:
        alone = CliRunner().invoke(group, [name, "--help"]).output
        assert "where no command is named" not in alone
