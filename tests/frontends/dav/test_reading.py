"""Which answer a GET or HEAD gets for one version of a file."""

from __future__ import annotations

from gimmal.frontends.dav.reading import plan
from gimmal.frontends.stream.conditions import Validators
from gimmal.frontends.stream.ranges import ByteRange
from gimmal.protocol.messages import Version

VERSION = Version(7, 1000, 10**18)
ETAG = Validators(VERSION).etag


def test_the_whole_file_and_its_header_alone() -> None:
    whole = plan(VERSION, "text/plain", {}, head=False)
    assert (whole.status, whole.parts) == (200, (ByteRange(0, 1000),))
    assert whole.fields == {
        "ETag": ETAG,
        "Accept-Ranges": "bytes",
        "Last-Modified": "Sun, 09 Sep 2001 01:46:40 GMT",
        "Content-Type": "text/plain",
        "Content-Length": "1000",
    }
    head = plan(VERSION, "text/plain", {"range": "bytes=0-1"}, head=True)
    assert (head.status, head.parts, head.fields) == (200, (), whole.fields)
    assert plan(Version(7, 0, 1), "text/plain", {}, head=False).parts == ()


def test_ranges() -> None:
    one = plan(VERSION, "text/plain", {"range": "bytes=10-19"}, head=False)
    assert (one.status, one.parts) == (206, (ByteRange(10, 20),))
    assert (one.fields["Content-Range"], one.fields["Content-Length"]) == ("bytes 10-19/1000", "10")
    two = plan(VERSION, "text/plain", {"range": "bytes=0-0,-1"}, head=False)
    assert two.fields["Content-Type"].startswith("multipart/byteranges; boundary=")
    assert [part for part in two.parts if isinstance(part, ByteRange)] == [ByteRange(0, 1), ByteRange(999, 1000)]
    total = sum(part.length if isinstance(part, ByteRange) else len(part) for part in two.parts)
    assert two.fields["Content-Length"] == str(total)
    none = plan(VERSION, "text/plain", {"range": "bytes=1000-"}, head=False)
    assert (none.status, none.fields["Content-Range"], none.parts) == (416, "bytes */1000", ())
    other = plan(VERSION, "text/plain", {"range": "bytes=0-1", "if-range": '"other"'}, head=False)
    assert (other.status, other.parts) == (200, (ByteRange(0, 1000),))
    same = plan(VERSION, "text/plain", {"range": "bytes=0-1", "if-range": ETAG}, head=False)
    assert same.status == 206


def test_conditions() -> None:
    assert plan(VERSION, "text/plain", {"if-none-match": ETAG}, head=False).status == 304
    assert plan(VERSION, "text/plain", {"if-match": '"other"'}, head=False).status == 412
