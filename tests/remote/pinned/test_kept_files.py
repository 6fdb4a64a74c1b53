"""Contents on the half: what was put is read again, damage is told, nothing can be read without the key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.errors import LocalError
from gimmal.protocol.messages import Version
from gimmal.remote.pinned.kept_files import CHUNK, KeptFiles, sealed_size

KEY = bytes(range(32))


def version(size: int, mtime_ns: int = 5) -> Version:
    return Version(7, size, mtime_ns)


def keep(kept: KeptFiles, path: str, content: bytes, *, pieces: int = 50_000) -> Version:
    made = version(len(content))
    writer = kept.begin(path, made)
    for start in range(0, len(content), pieces):
        writer.put(content[start : start + pieces])
    writer.finish()
    return made


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17]),
    st.integers(0, 4 * CHUNK),
    st.integers(1, 2 * CHUNK),
    st.integers(1, 3 * CHUNK),
)
def test_every_part_of_what_was_kept_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, size: int, offset: int, length: int, pieces: int
) -> None:
    kept = KeptFiles(tmp_path_factory.mktemp("kept"), KEY)
    content = os.urandom(size)
    made = keep(kept, "s/file", content, pieces=pieces)
    assert kept.holds("s/file", made)
    assert kept.used() == sealed_size(size)
    offset = min(offset, max(0, size - 1))
    length = min(length, size - offset)
    if length:
        assert kept.read("s/file", made, offset, length) == content[offset : offset + length]


def test_another_version_path_or_half_reads_nothing(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path / "kept", KEY)
    made = keep(kept, "s/file", b"secret words" * 1000)
    assert kept.read("s/file", version(made.size, 6), 0, 5) is None
    assert kept.read("s/other", made, 0, 5) is None
    assert KeptFiles(tmp_path / "kept", bytes(32)).read("s/file", made, 0, 5) is None
    (file,) = (tmp_path / "kept").iterdir()
    assert b"secret" not in file.read_bytes()
    assert "file" not in file.name


def test_chunks_cannot_be_altered_moved_or_carried_over(tmp_path: Path) -> None:
    content = os.urandom(3 * CHUNK)
    for damage in ("flip", "swap", "other"):
        kept = KeptFiles(tmp_path / damage, KEY)
        made = keep(kept, "s/file", content)
        (file,) = (tmp_path / damage).iterdir()
        sealed = bytearray(file.read_bytes())
        step = len(sealed) // 3
        if damage == "flip":
            sealed[step + 20] ^= 1
        elif damage == "swap":
            sealed[:step], sealed[step : 2 * step] = sealed[step : 2 * step], sealed[:step]
        else:
            keep(kept, "s/other", content)
            (other,) = (each for each in (tmp_path / damage).iterdir() if each != file)
            sealed = bytearray(other.read_bytes())
        file.write_bytes(sealed)
        assert kept.read("s/file", made, CHUNK, 5) is None
        # Who reads it next has it fetched.
        assert not kept.holds("s/file", made)


def test_what_is_not_whole_is_not_kept(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path / "kept", KEY)
    made = version(100)
    writer = kept.begin("s/file", made)
    writer.put(b"x" * 99)
    with pytest.raises(LocalError):
        writer.finish()
    writer.abandon()
    assert not kept.holds("s/file", made)
    assert list((tmp_path / "kept").iterdir()) == []
    kept.begin("s/file", made).put(b"x" * CHUNK)  # and the program is killed
    assert not kept.holds("s/file", made)
    kept.keep_only(set())
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_was_given_up_is_written_no_more(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path / "kept", KEY)
    writer = kept.begin("s/file", version(2 * CHUNK))
    writer.put(b"x" * CHUNK)
    writer.abandon()
    with pytest.raises(LocalError):
        writer.put(b"x" * CHUNK)
    with pytest.raises(LocalError):
        writer.finish()
    writer.abandon()
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_file_cut_short_and_a_link_are_not_taken_for_it(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path / "kept", KEY)
    made = keep(kept, "s/file", b"x" * 1000)
    (file,) = (tmp_path / "kept").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert not kept.holds("s/file", made)
    file.unlink()
    (tmp_path / "elsewhere").write_bytes(whole)
    file.symlink_to(tmp_path / "elsewhere")
    assert kept.read("s/file", made, 0, 5) is None


def test_all_others_are_removed_but_nothing_that_is_not_of_it(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path / "kept", KEY)
    made = keep(kept, "s/file", b"x")
    keep(kept, "s/other", b"yy")
    (tmp_path / "kept" / "a person's file").write_bytes(b"x")
    kept.keep_only({kept.name("s/file", made)})
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {kept.name("s/file", made), "a person's file"}
