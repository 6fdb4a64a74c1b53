"""What sessions do becomes few records; nothing that changes something is left out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.agent.use_log import notes as notes_module
from gimmal.agent.use_log.allowance import BURST_BYTES, DAY_BYTES
from gimmal.agent.use_log.notes import (
    CROWD_SECONDS,
    ENDED_SECONDS,
    GATHERED_BYTES,
    GATHERED_MOST,
    HOLD_LOOKS_SECONDS,
    HOLD_SECONDS,
    LOOKS_NAMED,
    TALLIES_MAX,
    UseNotes,
)
from gimmal.agent.use_log.records import Began, Crowded, Did, Ended, Record, Served, Who, decode_record
from gimmal.base.sealed_journal import RECORD_BYTES_MAX
from gimmal.share.using import Act, Used

ONE, TWO = b"session1", b"session2"
WHO = Who("b", "laptop", bytes(16), "gimmal 1", True)


class Clocked:
    """Notes with clocks of the test's own."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.steady = 50.0
        self.told = 0
        self.bytes = 0
        self.notes = UseNotes(lambda: self.wall, lambda: self.steady, self._tell)

    def _tell(self) -> None:
        self.told += 1

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def take(self, *, everything: bool = False) -> list[Record]:
        encoded = self.notes.take(everything=everything)
        records = [decode_record(data) for data in encoded]
        assert all(len(data) <= RECORD_BYTES_MAX for data in encoded)
        assert None not in records
        self.bytes += sum(map(len, encoded))
        return [record for record in records if record is not None]


def began(clocked: Clocked, session: bytes = ONE) -> None:
    clocked.notes.began(session, WHO, "direct")
    assert [type(record) for record in clocked.take()] == [Began]


def test_a_session_from_beginning_to_end() -> None:
    clocked = Clocked()
    clocked.notes.served()
    clocked.notes.began(ONE, WHO, "relayed")
    clocked.pass_(1)
    clocked.notes.used(ONE, [Used(Act.REMOVED, "docs", ["a", "b"])])
    clocked.notes.ended(ONE, "unplugged")
    clocked.notes.served("stopped")
    assert clocked.take() == [
        Served(1_700_000_000_000),
        Began(ONE, 1_700_000_000_000, WHO, "relayed"),
        Did(ONE, Act.REMOVED, 1_700_000_001_000, 1_700_000_001_000, "docs", ["a", "b"], [], 2, 0, "b", "laptop"),
        Ended(ONE, 1_700_000_001_000, "unplugged", "b", "laptop"),
        Served(1_700_000_001_000, "stopped"),
    ]
    assert clocked.notes.due is None
    assert clocked.take(everything=True) == []


def test_what_is_done_in_one_folder_is_one_record() -> None:
    clocked = Clocked()
    began(clocked)
    for number in range(100):
        clocked.notes.used(ONE, [Used(Act.WROTE, "docs", [f"file{number}"], size=10)])
        clocked.pass_(0.03125)
    assert clocked.notes.due == 50.0 + HOLD_SECONDS
    assert clocked.take() == []
    clocked.pass_(HOLD_SECONDS)
    (record,) = clocked.take()
    assert isinstance(record, Did)
    assert record.names == [f"file{number}" for number in range(100)]
    assert (record.count, record.size, record.last - record.first) == (100, 1000, 3093)


def test_folders_acts_and_sessions_are_kept_apart() -> None:
    clocked = Clocked()
    began(clocked, ONE)
    began(clocked, TWO)
    for session in (ONE, TWO):
        for act in (Act.READ, Act.WROTE):
            for folder in ("a", "b"):
                clocked.notes.used(session, [Used(act, folder, ["x"])])
    assert len(clocked.take(everything=True)) == 8


def test_of_looks_the_first_names_are_kept_and_each_counts_once() -> None:
    clocked = Clocked()
    began(clocked)
    for number in range(1000):
        for _block in range(3):
            clocked.notes.used(ONE, [Used(Act.READ, "docs", [f"file{number}"], size=4)])
    (record,) = clocked.take(everything=True)
    assert isinstance(record, Did)
    assert record.names == [f"file{number}" for number in range(LOOKS_NAMED)]
    assert (record.count, record.size) == (1000, 12_000)


def test_a_film_that_is_watched_makes_a_record_now_and_then() -> None:
    clocked = Clocked()
    began(clocked)
    records = []
    for _second in range(7200):
        clocked.notes.used(ONE, [Used(Act.READ, "films", ["film"], size=1000)])
        clocked.pass_(1)
        records += clocked.take()
    records += clocked.take(everything=True)
    assert len(records) <= 2 + 7200 / HOLD_LOOKS_SECONDS
    assert sum(record.size for record in records if isinstance(record, Did)) == 7200 * 1000
    assert all(isinstance(record, Did) and record.names == ["film"] for record in records)


def test_targets_stay_with_their_names() -> None:
    clocked = Clocked()
    began(clocked)
    clocked.notes.used(ONE, [Used(Act.MOVED, "docs", ["a", "b"], ["old/a", "old/b"])])
    (record,) = clocked.take(everything=True)
    assert isinstance(record, Did)
    assert (record.names, record.targets) == (["a", "b"], ["old/a", "old/b"])


def test_ten_thousand_changed_names_are_all_kept_in_few_records() -> None:
    clocked = Clocked()
    began(clocked)
    names = [f"holiday photo number {number}.jpeg" for number in range(10_000)]
    records: list[Record] = []
    for at in range(0, len(names), 500):
        clocked.notes.used(ONE, [Used(Act.WROTE, "photos", names[at : at + 500], size=500)])
        due = clocked.notes.due
        if due is not None and due <= clocked.steady:
            records += clocked.take()
    records += clocked.take(everything=True)
    assert [name for record in records if isinstance(record, Did) for name in record.names] == names
    assert sum(record.count for record in records if isinstance(record, Did)) == 10_000
    assert sum(record.size for record in records if isinstance(record, Did)) == 10_000
    assert len(records) < 40


def test_much_that_is_gathered_is_due_at_once() -> None:
    clocked = Clocked()
    began(clocked)
    told = clocked.told
    clocked.notes.used(ONE, [Used(Act.REMOVED, "docs", ["n" * 1000] * 200)])
    assert clocked.notes.due is not None
    assert clocked.notes.due > clocked.steady
    clocked.notes.used(ONE, [Used(Act.REMOVED, "docs", ["n" * 1000] * (GATHERED_BYTES // 1000))])
    assert clocked.notes.due == clocked.steady
    assert clocked.told == told + 2
    assert clocked.take() != []
    assert clocked.notes.due is None


def test_a_disk_that_takes_nothing_does_not_fill_memory() -> None:
    clocked = Clocked()
    began(clocked)
    for number in range(200):
        clocked.notes.used(ONE, [Used(Act.REMOVED, f"folder{number}", ["n" * 200] * 1024)])
    assert clocked.notes._gathered <= GATHERED_MOST + 200 * notes_module._TALLY_BYTES
    records = clocked.take(everything=True)
    assert sum(record.count for record in records if isinstance(record, Did)) == 200 * 1024


def test_a_folder_more_than_are_kept_apart_is_counted_only() -> None:
    clocked = Clocked()
    began(clocked)
    for number in range(TALLIES_MAX + 10):
        clocked.notes.used(ONE, [Used(Act.REMOVED, f"docs/{number}", ["x"])])
    records = clocked.take(everything=True)
    (crowded,) = [record for record in records if isinstance(record, Crowded)]
    assert [(one.act, one.share, one.count) for one in crowded.acts] == [(Act.REMOVED, "docs", 10)]
    assert sum(isinstance(record, Did) for record in records) == TALLIES_MAX


def test_what_ends_after_its_session_is_noted_all_the_same() -> None:
    clocked = Clocked()
    began(clocked)
    clocked.notes.ended(ONE, "done")
    assert clocked.notes.due == clocked.steady + ENDED_SECONDS
    assert [type(record) for record in clocked.take()] == [Ended]
    # The other side closed while a thread was still removing.
    clocked.notes.used(ONE, [Used(Act.REMOVED, "docs", ["a"])])
    (record,) = clocked.take(everything=True)
    assert isinstance(record, Did)
    assert (record.names, record.side, record.computer) == (["a"], "b", "laptop")
    clocked.notes.ended(ONE, "done")
    assert clocked.take(everything=True) == []


def test_a_flood_is_counted_and_the_log_grows_no_faster_than_it_may() -> None:
    clocked = Clocked()
    began(clocked)
    records: list[Record] = []
    for number in range(3000):
        clocked.notes.used(ONE, [Used(Act.WROTE, f"docs/{number}", ["n" * 200] * 1024, size=1)])
        clocked.pass_(1)
        records += clocked.take()
    assert clocked.bytes <= BURST_BYTES + 3000 * DAY_BYTES / 86_400 + 2000
    clocked.pass_(CROWD_SECONDS)
    records += clocked.take()
    crowds = [record for record in records if isinstance(record, Crowded)]
    assert len(crowds) == 2  # one at once, then one an hour
    assert {(one.act, one.share) for crowd in crowds for one in crowd.acts} == {(Act.WROTE, "docs")}
    dids = [record for record in records if isinstance(record, Did)]
    assert len(dids) < 400
    counts = [record.count for record in dids] + [one.count for crowd in crowds for one in crowd.acts]
    sizes = [record.size for record in dids] + [one.size for crowd in crowds for one in crowd.acts]
    assert (sum(counts), sum(sizes)) == (3000 * 1024, 3000)


def test_sessions_without_end_are_counted_too() -> None:
    clocked = Clocked()
    for number in range(20_000):
        session = number.to_bytes(8, "big")
        clocked.notes.began(session, WHO, "direct")
        clocked.notes.ended(session, "done")
    records = clocked.take(everything=True)
    assert (
        sum(isinstance(record, Began) for record in records)
        + sum(record.sessions for record in records if isinstance(record, Crowded))
        == 20_000
    )
    assert len(clocked.notes._left) <= notes_module.ENDED_MAX


def test_long_names_of_a_hostile_peer_fit_a_record() -> None:
    clocked = Clocked()
    began(clocked)
    long = "\U0001f600" * 8000
    clocked.notes.used(ONE, [Used(Act.REFUSED, long, [long + str(number) for number in range(100)])])
    clocked.notes.used(ONE, [Used(Act.MOVED, long, [long, long], [long, long])])
    records = clocked.take(everything=True)
    assert {record.act for record in records if isinstance(record, Did)} == {Act.REFUSED, Act.MOVED}


def test_a_clock_that_jumps_leaves_the_order_as_it_was() -> None:
    clocked = Clocked()
    began(clocked)
    for wall in (1_900_000_000.0, -5.0, 1e300, 1_700_000_000.0):
        clocked.wall = wall
        clocked.notes.used(ONE, [Used(Act.WROTE, f"at {wall:g}", ["x"])])
    records = clocked.take(everything=True)
    assert [record.folder for record in records if isinstance(record, Did)] == [
        "at 1.9e+09",
        "at -5",
        "at 1e+300",
        "at 1.7e+09",
    ]


STEP = st.one_of(
    st.tuples(st.just("use"), st.sampled_from((ONE, TWO)), st.sampled_from(list(Act)), st.integers(0, 3)),
    st.tuples(st.just("pass"), st.floats(0, 400)),
    st.tuples(st.just("take"), st.booleans()),
    st.tuples(st.just("end"), st.sampled_from((ONE, TWO))),
)


@settings(max_examples=200)
@given(st.lists(STEP, max_size=60))
def test_every_change_is_told_once_and_in_time(steps: list[tuple[object, ...]]) -> None:
    clocked = Clocked()
    began(clocked, ONE)
    began(clocked, TWO)
    records: list[Record] = []
    done: list[tuple[str, str]] = []
    number = 0
    for what, *more in steps:
        if what == "use":
            session, act, folder = more
            assert isinstance(session, bytes)
            assert isinstance(act, Act)
            number += 1
            clocked.notes.used(session, [Used(act, f"folder{folder}", [str(number)])])
            if act.changes:
                done.append((f"folder{folder}", str(number)))
                assert clocked.notes.due is not None
                assert clocked.notes.due <= clocked.steady + HOLD_SECONDS
        elif what == "pass":
            assert isinstance(more[0], float)
            clocked.pass_(more[0])
        elif what == "take":
            records += clocked.take(everything=bool(more[0]))
            assert clocked.notes.due is None or clocked.notes.due > clocked.steady
        else:
            assert isinstance(more[0], bytes)
            clocked.notes.ended(more[0], "done")
    records += clocked.take(everything=True)
    told = [
        (record.folder, name)
        for record in records
        if isinstance(record, Did) and record.act.changes
        for name in record.names
    ]
    assert sorted(told) == sorted(done)


def test_of_a_session_that_is_only_known_what_it_did_is_told_and_no_more() -> None:
    clocked = Clocked()
    clocked.notes.knows(ONE, WHO)
    clocked.notes.used(ONE, [Used(Act.READ, "docs", ["a"], size=3)])
    clocked.notes.forgets(ONE)
    clocked.notes.forgets(ONE)
    (record,) = clocked.take(everything=True)
    assert isinstance(record, Did)
    assert (record.side, record.computer, record.names) == (WHO.side, WHO.computer, ["a"])
