"""What the documents name exists: commands, options, exit codes, files, links, quoted help and quoted messages."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from gimmal import __version__
from gimmal.base.errors import ExitCode
from gimmal.frontends.cli.main import gimmal
from tests.docs.documents import (
    DOCUMENTS,
    ROOT,
    USER_DOCUMENTS,
    anchors,
    blocks,
    links,
    prose,
    relative,
    simple_commands,
    spans,
    table_rows,
    typed,
)

PLANNED_COMMANDS = {"disable"}
"""Named in the documents as coming later; a command that has come must leave this set."""

PLACES = (ROOT, ROOT / "src/gimmal", ROOT / "src/gimmal/frontends", ROOT / "docs", ROOT / "docs/spec")
"""Where a file named in backticks may lie."""

OPTIONS_OF_OTHERS = {"--strict"}
"""Options of other programs named in backticks by themselves; ``mypy --strict`` and such are no matter of ours."""


def context_of(command: click.Command) -> click.Context:
    """A context with the command's own settings: without them click would keep a help option of another form."""
    return click.Context(command, info_name=command.name, **command.context_settings)


def root_context() -> click.Context:
    return context_of(gimmal)


def parse(words: list[str]) -> None:
    """Parse a whole gimmal command line as the program does, without running it; raises what it would raise."""
    command: click.Command = gimmal
    context: click.Context | None = None
    while True:
        name = command.name or ""
        assert not {"--help", "-h", "--version"} & set(words), "compare its output instead"
        context = command.make_context(name, list(words), parent=context)
        if not isinstance(command, click.Group):
            return
        words = [*getattr(context, "_protected_args", ()), *context.args]
        found, command_or_none, words = command.resolve_command(context, words)
        assert command_or_none is not None, f"no command {found}"
        command = command_or_none


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the first words name, groups descended, and the words behind it."""
    command: click.Command = gimmal
    context = root_context()
    while isinstance(command, click.Group) and words:
        below = command.get_command(context, words[0])
        if below is None:
            break
        command, words = below, words[1:]
    return command, words


@cache
def all_commands() -> tuple[click.Command, ...]:
    context = root_context()
    found: list[click.Command] = [gimmal]
    for name in gimmal.list_commands(context):
        command = gimmal.get_command(context, name)
        assert command is not None
        found.append(command)
        if isinstance(command, click.Group):
            found += command.commands.values()
    return tuple(found)


def options_of(command: click.Command) -> set[str]:
    context = context_of(command)
    return {text for parameter in command.get_params(context) for text in (*parameter.opts, *parameter.secondary_opts)}


@cache
def all_options() -> frozenset[str]:
    options = {option for command in all_commands() for option in options_of(command)}
    return frozenset(option for option in options if option.startswith("-"))


@cache
def strings_of_the_program() -> str:
    """Every string in the source, pieces of f-strings included, one a line."""
    found: list[str] = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


class TestCommands:
    @pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
    def test_every_command_line_in_a_block_can_be_parsed(self, path: Path) -> None:
        for line in typed(path):
            for words in simple_commands(line.line):
                if words[0] != "gimmal" or words[-1] in ("--help", "--version"):
                    continue
                try:
                    parse(words[1:])
                except (click.ClickException, click.exceptions.Exit) as exc:
                    message = exc.format_message() if isinstance(exc, click.ClickException) else "it ended"
                    pytest.fail(f"{relative(path)}: {line.line}: {message}")

    @pytest.mark.parametrize("path", USER_DOCUMENTS, ids=relative)
    def test_every_command_and_option_in_the_text_exists(self, path: Path) -> None:
        for span in spans(path):
            words = span.split(" ")
            if words[0] == "gimmal" and len(words) > 1:
                if words[1] in PLANNED_COMMANDS:
                    continue
                command, rest = command_of(words[1:])
                assert command is not gimmal or words[1].startswith("-"), f"{relative(path)}: no command: {span}"
                wrong = {word for word in rest if word.startswith("-") and word not in options_of(command)}
                assert wrong <= {"--help", "--version"}, f"{relative(path)}: {wrong} in: {span}"
            elif span.startswith("--") and words[0] not in OPTIONS_OF_OTHERS:
                assert words[0] in all_options(), f"{relative(path)}: no option: {span}"

    def test_the_service_file_starts_a_command_that_can_be_parsed(self) -> None:
        lines = [line for block in blocks(ROOT / "docs/how-to/run-a-relay.md", "ini") for line in block]
        (started,) = [line.partition("=")[2] for line in lines if line.startswith("ExecStart=")]
        ((program, *words),) = simple_commands(started)
        assert program.endswith("/bin/gimmal")
        parse(words)

    def test_no_planned_command_has_come(self) -> None:
        assert not PLANNED_COMMANDS & set(gimmal.list_commands(root_context()))

    @pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
    def test_a_planned_command_is_never_shown_as_typed(self, path: Path) -> None:
        for line in typed(path):
            for words in simple_commands(line.line):
                assert not (words[0] == "gimmal" and words[1] in PLANNED_COMMANDS), f"{relative(path)}: {line.line}"

    def test_the_readme_quotes_the_real_help(self) -> None:
        quoted = [line for path in DOCUMENTS for line in typed(path) if line.line.endswith("--help")]
        assert any(line.line == "gimmal --help" for line in quoted)
        for line in quoted:
            (words,) = simple_commands(line.line)
            result = CliRunner(env={"COLUMNS": "80"}).invoke(gimmal, words[1:], prog_name="gimmal")
            assert result.exit_code == 0
            if line.output:
                assert "\n".join(line.output).strip() == result.output.strip(), f"{line.line} prints something else now"

    @pytest.mark.parametrize("path", USER_DOCUMENTS, ids=relative)
    def test_quoted_errors_and_hints_are_those_of_the_program(self, path: Path) -> None:
        for line in typed(path):
            for quoted in line.output:
                kind, colon, text = quoted.partition(": ")
                if colon and kind in ("error", "hint"):
                    # The last part of an error is its sentence; a name in front and a time behind belong to the day.
                    sentence = re.sub(r" \(.*\)$", "", text.rpartition(": ")[2] if kind == "error" else text)
                    assert sentence in strings_of_the_program(), f"{relative(path)}: nothing says: {quoted}"

    @pytest.mark.parametrize("path", USER_DOCUMENTS, ids=relative)
    def test_every_make_target_exists(self, path: Path) -> None:
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        named = [words for line in typed(path) for words in simple_commands(line.line.partition(" #")[0])]
        named += [span.split(" ") for span in spans(path)]
        for words in named:
            if words[0] == "make" and len(words) > 1:
                assert words[1] in targets, f"{relative(path)}: make {words[1]}"


class TestExitCodes:
    PAGE = ROOT / "docs/how-to/exit-codes.md"

    def test_the_table_is_that_of_the_program(self) -> None:
        told = {row[1]: int(row[0]) for row in table_rows(self.PAGE) if row[0].isdigit()}
        assert told == {code.name: int(code) for code in ExitCode}

    @pytest.mark.parametrize("path", USER_DOCUMENTS, ids=relative)
    def test_codes_named_elsewhere_exist(self, path: Path) -> None:
        for number in re.findall(r"exit code (\d+)", prose(path)):
            assert int(number) in set(ExitCode), f"{relative(path)}: exit code {number}"

    def test_the_json_error_is_that_of_the_program(self, capfd: pytest.CaptureFixture[str]) -> None:
        from gimmal.base.errors import GimmalError
        from gimmal.frontends.cli import output

        error = GimmalError(
            ":Pictures/note.txt: the share does not grant this", "its keeper chose ro or drop with --share"
        )
        error.exit_code = ExitCode.REFUSED
        output.want_json(True)
        try:
            assert output.report_error(error) == 4
        finally:
            output.want_json(False)
        printed = capfd.readouterr().out.strip()
        assert printed in self.PAGE.read_text(encoding="utf-8").splitlines()

    def test_the_fields_of_json_are_those_of_the_program(self) -> None:
        from gimmal.agent.queue.advance import Counts
        from gimmal.agent.queue.messages import TransferView
        from gimmal.frontends.cli.progress_events import progress_event
        from gimmal.frontends.cli.transfer_summary import summary_fields
        from gimmal.frontends.cli.transfers_output import json_of
        from gimmal.remote.estimating import Counts as Done
        from gimmal.remote.estimating import Estimator
        from gimmal.remote.progress import Progress

        rows = {row[0]: set(re.findall(r"`(\w+)`", row[-1])) for row in table_rows(self.PAGE)}
        assert rows["`gimmal cp`"] == set(summary_fields(Progress(), 1.0, "direct"))
        assert {"deleted", "not_deleted"} <= rows["`gimmal sync`"]
        view = TransferView(
            1, "copy", "up", [], 0, b"", "", False, "", Counts(), 0, None, 1, 0, 0, "", "", "", [], [], False
        )
        assert set(json_of(view)) <= rows["`gimmal transfers list`, `show`"]
        estimate = Estimator(0.0).look(1.0, Done(0, 0, 0, 0, False))
        (told,) = [
            line for line in self.PAGE.read_text(encoding="utf-8").split("\n\n") if line.startswith("`progress` says")
        ]
        assert set(progress_event(Progress(), estimate)) - {"event"} <= set(re.findall(r"`(\w+)`", told))


class TestFiles:
    @pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
    def test_every_link_leads_somewhere(self, path: Path) -> None:
        for link in links(path):
            if re.match(r"[a-z]+:", link):
                continue
            target, _hash, anchor = link.partition("#")
            aim = (path.parent / target).resolve() if target else path
            assert aim.exists(), f"{relative(path)}: {link}"
            assert aim.is_relative_to(ROOT), f"{relative(path)}: {link} leads out of the project"
            if anchor:
                assert anchor in anchors(aim), f"{relative(path)}: no heading for {link}"

    @pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
    def test_every_file_in_backticks_exists(self, path: Path) -> None:
        if path == ROOT / "tests/vectors/README.md":
            return  # names the files of the projects the vectors come from
        for span in spans(path):
            if re.fullmatch(r"(?:[\w-]+/)+[\w.-]*", span) and (
                span.startswith(("tests/", "src/", "docs/", "scripts/", "bench/")) or span.endswith((".py", ".md"))
            ):
                assert any((place / span).exists() for place in PLACES), f"{relative(path)}: {span}"

    def test_every_document_is_in_the_index(self) -> None:
        index = ROOT / "docs/README.md"
        linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
        missing = [relative(path) for path in (ROOT / "docs").rglob("*.md") if path != index and path not in linked]
        assert not missing, f"add these to docs/README.md: {missing}"

    def test_decisions_have_numbers_of_their_own(self) -> None:
        numbers = [path.name[:4] for path in (ROOT / "docs/decisions").glob("*.md")]
        assert len(numbers) == len(set(numbers))
        for path in (ROOT / "docs/decisions").glob("*.md"):
            heading = path.read_text(encoding="utf-8").splitlines()[0]
            assert int(re.findall(r"\d+", heading)[0]) == int(path.name[:4]), relative(path)

    def test_documents_named_in_the_source_exist(self) -> None:
        named: set[tuple[str, str]] = set()
        for folder in ("src", "tests", "bench", "scripts"):
            for path in (ROOT / folder).rglob("*.py"):
                text = path.read_text(encoding="utf-8")
                named |= {(relative(path), name) for name in re.findall(r"docs/[\w/-]+\.md", text)}
        written = {"docs/campaign.md", "docs/benchmarks.md", "docs/faults.md"}  # by the programs that name them
        missing = {(where, name) for where, name in named if name not in written and not (ROOT / name).exists()}
        assert not missing

    def test_the_changelog_begins_with_this_version(self) -> None:
        versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
        assert versions[0] == __version__


class TestTheseTests:
    """They must be able to fail."""

    @pytest.mark.parametrize(
        "line",
        ["gimmal nothing", "gimmal ls --no-such-option", "gimmal relay --state x", "gimmal cp --wait soon :a b"],
    )
    def test_a_wrong_command_line_is_refused(self, line: str) -> None:
        ((_gimmal, *words),) = simple_commands(line)
        with pytest.raises(click.ClickException):
            parse(words)

    @pytest.mark.parametrize(
        ("line", "commands"),
        [
            ("gimmal ls --password-fd 3 3< secret.txt", [["gimmal", "ls", "--password-fd", "3"]]),
            ("git clone x && make setup # comment", [["git", "clone", "x"], ["make", "setup"]]),
            ("gimmal tree | head", [["gimmal", "tree"], ["head"]]),
            ("gimmal pair a b --relay 'gimmal-relay://h:1/#x'", None),
        ],
    )
    def test_shell_lines_are_taken_apart(self, line: str, commands: Any) -> None:
        expected = commands or [["gimmal", "pair", "a", "b", "--relay", "gimmal-relay://h:1/#x"]]
        assert simple_commands(line) == expected
