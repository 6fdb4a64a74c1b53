"""Which names beside a document are no work of the person's."""

from __future__ import annotations

import pytest

from gimmal.frontends.edit.side_files import is_lock_of, is_side_file


@pytest.mark.parametrize(
    "name",
    [
        "4913",
        "report.odt~",
        ".report.odt.swp",
        ".report.odt.swo",
        ".~lock.report.odt#",
        "lu12345abc.tmp",
        ".goutputstream-A1B2C3",
        "#report.odt#",
        ".#report.odt",
        "report.bak",
        "report.odt.bak",
        "report.odt.~1~",
        "report.odt.orig",
        ".report.odt.kate-swp",
        "~$report.odt",
        "~WRD0001.tmp",
        ".gimmal-part-0123",
    ],
)
def test_what_programs_lay_beside_a_document(name: str) -> None:
    assert is_side_file(name, "report.odt")


@pytest.mark.parametrize(
    "name", ["report2.odt", "report.pdf", "report (copy).odt", "letter.txt", "REPORT.odt", "2024.md"]
)
def test_what_a_person_saves(name: str) -> None:
    assert not is_side_file(name, "report.odt")


def test_a_name_without_an_ending_or_with_signs_of_patterns() -> None:
    assert is_side_file("a[1]~", "a[1]")
    assert is_side_file(".Makefile.swp", "Makefile")
    assert not is_side_file("a1~x", "a[1]")
    assert not is_side_file("notes", "notes.txt")


@pytest.mark.parametrize(
    ("name", "document"),
    [
        (".~lock.report.odt#", "report.odt"),
        (".report.odt.swp", "report.odt"),
        (".#report.odt", "report.odt"),
        ("~$report.docx", "report.docx"),
        ("~$port.docx", "report.docx"),
    ],
)
def test_locks_tell_that_a_document_is_open(name: str, document: str) -> None:
    assert is_lock_of(name, document)
    assert is_side_file(name, document)


@pytest.mark.parametrize("name", ["report.odt", "report.odt~", ".~lock.other.odt#", ".report.odt.swapped", "x"])
def test_other_names_are_no_lock(name: str) -> None:
    assert not is_lock_of(name, "report.odt")
