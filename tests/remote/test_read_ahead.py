"""What a reader will want next: by kinds of readers, and by properties that hold for all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gimmal.remote.read_ahead import AHEAD_MAX, STREAM_FIRST, ReadAhead

MB = 1 << 20


def test_one_read_is_no_reason_to_fetch_more() -> None:
    ahead = ReadAhead()
    ahead.on_read(0, 4096)
    assert ahead.windows() == []


def test_who_reads_on_is_read_ahead_of_ever_more_up_to_a_limit() -> None:
    ahead = ReadAhead()
    sizes = []
    for at in range(0, 20 * MB, 128 * 1024):
        ahead.on_read(at, 128 * 1024)
        sizes.append(sum(end - start for start, end in ahead.windows()))
    assert sizes[:3] == [0, 512 * 1024, 768 * 1024]
    assert sizes[-1] == AHEAD_MAX
    assert sizes == sorted(sizes)


def test_who_reads_here_and_there_is_never_read_ahead_of() -> None:
    ahead = ReadAhead()
    for number in range(1000):
        ahead.on_read((number * 7919 % 1000) * MB, 4096)
        assert ahead.windows() == []
        assert ahead.jumped


def test_who_streams_is_read_ahead_of_at_once_and_after_each_jump() -> None:
    ahead = ReadAhead(streaming=True)
    for place in (0, 900 * MB, 5 * MB):
        ahead.on_read(place, 65536)
        assert ahead.windows() == [(place + 65536, place + 65536 + STREAM_FIRST)]


def test_a_jump_ends_what_was_wanted_at_the_old_place() -> None:
    ahead = ReadAhead()
    for at in range(0, MB, 65536):
        ahead.on_read(at, 65536)
    assert ahead.windows()
    ahead.on_read(500 * MB, 4096)
    assert ahead.windows() == []


def test_sound_and_picture_read_in_turn_are_both_read_ahead_of() -> None:
    ahead = ReadAhead()
    for step in range(6):
        for place in (0, 100 * MB):
            ahead.on_read(place + step * 65536, 65536)
    starts = {start for start, _end in ahead.windows()}
    assert starts == {6 * 65536, 100 * MB + 6 * 65536}


def test_a_trail_left_for_long_is_not_kept_warm() -> None:
    ahead = ReadAhead()
    for step in range(6):
        for place in (0, 100 * MB):
            ahead.on_read(place + step * 65536, 65536)
    for step in range(6, 20):
        ahead.on_read(step * 65536, 65536)
    assert [start for start, _end in ahead.windows()] == [20 * 65536]


def test_a_few_bytes_left_out_or_read_again_are_no_jump() -> None:
    ahead = ReadAhead()
    ahead.on_read(0, 65536)
    ahead.on_read(65536 + 4096, 65536)
    assert not ahead.jumped
    ahead.on_read(2 * 65536, 65536)
    assert not ahead.jumped


def test_who_was_given_less_than_asked_for_reads_on() -> None:
    ahead = ReadAhead()
    for at in range(0, MB, 4096):
        ahead.on_read(at, 128 * 1024)
        assert ahead.jumped == (at == 0)
    assert ahead.run == MB - 4096 + 128 * 1024


READS = st.lists(st.tuples(st.integers(0, 8 * MB), st.integers(1, 256 * 1024)), min_size=1, max_size=60)


@given(READS, st.booleans(), st.integers(64 * 1024, 4 * MB))
def test_windows_are_bounded_and_lie_before_the_reader(
    reads: list[tuple[int, int]], streaming: bool, most: int
) -> None:
    ahead = ReadAhead(streaming=streaming)
    for offset, length in reads:
        ahead.on_read(offset, length)
        windows = ahead.windows(most)
        assert len(windows) <= 4
        for start, end in windows:
            assert 0 < end - start <= most
        if streaming or ahead._trails[0].steps:
            # Else what comes first is wanted along another trail, to which the reader comes back.
            assert windows[0][0] >= offset + length


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=100))
def test_no_more_is_wanted_than_twice_what_was_read(places: list[int]) -> None:
    ahead = ReadAhead()
    for place in places:
        ahead.on_read(place, 4096)
        assert sum(end - start for start, end in ahead.windows()) <= 2 * 4096 * len(places)
