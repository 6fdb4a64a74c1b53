"""An open file against a bytearray, with a patch at home that follows it, is lost, and is committed."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gimmal.remote.edits.content import Content, Where


def read(content: Content, base: bytes, patch: bytes, offset: int, length: int) -> bytes:
    found = bytearray()
    for piece in content.pieces(offset, length):
        assert piece.start == offset + len(found)
        assert piece.start < piece.end
        source = {
            Where.HELD: piece.content,
            Where.PATCH: patch[piece.start : piece.end],
            Where.BASE: base[piece.start : piece.end],
            Where.ZEROS: bytes(piece.end - piece.start),
        }[piece.where]
        assert len(source) == piece.end - piece.start
        found += source
    return bytes(found)


class OpenFileModel(RuleBasedStateMachine):
    """The model is what a local file would hold; ``patch`` what was sent so far."""

    def __init__(self) -> None:
        super().__init__()
        self.base = bytes(range(1, 61))
        self.model = bytearray(self.base)
        self.patch = bytearray(self.base)
        self.content = Content(len(self.base))

    @rule(offset=st.integers(0, 90), data=st.binary(max_size=30))
    def write(self, offset: int, data: bytes) -> None:
        self.content.write(offset, data)
        if data:
            self.model.extend(bytes(max(0, offset - len(self.model))))
            self.model[offset : offset + len(data)] = data

    @rule(size=st.integers(0, 100))
    def truncate(self, size: int) -> None:
        self.content.truncate(size)
        del self.model[size:]
        self.model.extend(bytes(size - len(self.model)))

    def _cut_patch(self) -> None:
        if self.content.cut_to is not None:
            del self.patch[self.content.cut_to :]
            self.content.cut_to = None

    @rule(most=st.integers(0, 3))
    def send_some(self, most: int) -> None:
        self._cut_patch()
        for start, end in list(self.content.unsent)[:most]:
            self._send(start, end)

    def _send(self, start: int, end: int) -> None:
        for at, data in self.content.held.within(start, end):
            self.patch.extend(bytes(max(0, at - len(self.patch))))
            self.patch[at : at + len(data)] = data
        self.content.sent(start, end)

    @rule(most=st.integers(0, 600))
    def make_room(self, most: int) -> None:
        self._cut_patch()
        self.content.forget_sent(most)

    @rule()
    def lose_patch(self) -> None:
        if not self.content.forgotten:
            assert self.content.patch_lost()
            self.patch = bytearray(self.base)

    @rule()
    def send_all(self) -> None:
        self.send_some(1 << 30)
        assert not self.content.unsent
        del self.patch[self.content.size :]
        self.patch.extend(bytes(self.content.size - len(self.patch)))
        assert self.patch == self.model

    @rule()
    def commit(self) -> None:
        self.send_all()
        self.base = bytes(self.patch)
        self.content.rebased(len(self.base))
        assert not self.content.changed
        assert not self.content.held

    @rule()
    def journal(self) -> None:
        """The line is down: what is in the patch stays in memory too, and goes home later."""
        if self.content.forgotten:
            return
        self.send_all()
        self.content.kept_elsewhere()
        assert not self.content.changed

    @rule()
    def journal_went_home(self) -> None:
        """All that was journalled is the base version now; what was written since is not."""
        if self.content.forgotten:
            return
        before = bytes(self.model)
        saved = bytes(self.patch)
        if self.content.cut_to is None and not self.content.unsent and len(saved) == len(before):
            assert saved == before
        self.base = saved
        self.content.rebased(len(saved))

    @invariant()
    def reads_as_a_local_file(self) -> None:
        assert self.content.size == len(self.model)
        got = read(self.content, self.base, bytes(self.patch), 0, 1000)
        assert got == bytes(self.model)

    @invariant()
    def knows_what_was_written(self) -> None:
        for start, end in self.content.written():
            assert end <= self.content.size
            assert start < end


TestOpenFileModel = OpenFileModel.TestCase
TestOpenFileModel.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_forgotten_bytes_that_are_lost_are_told() -> None:
    content = Content(0)
    content.write(0, b"abc")
    content.sent(0, 3)
    content.forget_sent(0)
    assert list(content.forgotten) == [(0, 3)]
    assert not content.patch_lost()


def test_a_range_beyond_the_end_is_empty() -> None:
    content = Content(10)
    assert list(content.pieces(10, 5)) == []
    assert [(piece.where, piece.start, piece.end) for piece in content.pieces(8, 5)] == [(Where.BASE, 8, 10)]


def test_writing_nothing_changes_nothing() -> None:
    content = Content(10)
    content.write(20, b"")
    content.truncate(10)
    assert (content.size, content.changed) == (10, False)
