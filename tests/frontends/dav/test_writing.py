"""What a PUT says that it is for."""

from __future__ import annotations

from typing import Any

import pytest
from wsgidav.dav_error import DAVError

from gimmal.frontends.dav.resources import File
from gimmal.frontends.dav.writing import check_conditions, time_field, upload_of
from gimmal.protocol.messages import Attributes, Kind, Replace
from gimmal.remote.files import version_of

SECONDS = 1_000_000_000


class NoProvider:
    mount_path = share_path = ""


ENVIRON: dict[str, Any] = {"wsgidav.provider": NoProvider()}
FILE = File("/s/a", ENVIRON, Attributes(Kind.FILE, 5, SECONDS * SECONDS, 0o644, 7))
ETAG = FILE.validators.etag
DATE, EARLIER = "Sun, 09 Sep 2001 01:46:40 GMT", "Sun, 09 Sep 2001 01:46:39 GMT"


@pytest.mark.parametrize(
    ("resource", "fields", "holds"),
    [
        (FILE, {}, True),
        (None, {}, True),
        (FILE, {"if-match": ETAG}, True),
        (FILE, {"if-match": "*"}, True),
        (FILE, {"if-match": '"other"'}, False),
        (None, {"if-match": "*"}, False),
        (FILE, {"if-none-match": "*"}, False),
        (FILE, {"if-none-match": ETAG}, False),
        (FILE, {"if-none-match": '"other"'}, True),
        (None, {"if-none-match": "*"}, True),
        (FILE, {"if-unmodified-since": DATE}, True),
        (FILE, {"if-unmodified-since": EARLIER}, False),
        (FILE, {"if-modified-since": DATE}, True),
    ],
)
def test_conditions(resource: File | None, fields: dict[str, str], holds: bool) -> None:
    if holds:
        check_conditions(resource, fields)
    else:
        with pytest.raises(DAVError, match="another version"):
            check_conditions(resource, fields)


def test_what_was_said_is_what_may_be_replaced() -> None:
    plain = upload_of("/s/a", FILE, {}, 5)
    assert (plain.wire, plain.replace, plain.base, plain.mtime_ns) == ("s/a", Replace.ALWAYS, None, 5)
    bound = upload_of("/s/a", FILE, {"if-match": ETAG}, None)
    assert (bound.replace, bound.base) == (Replace.EXPECTED, version_of(FILE.attributes))
    assert bound.mtime_ns > SECONDS * SECONDS
    assert upload_of("/s/a", None, {"if-none-match": "*"}, None).replace is Replace.NEVER
    for path in ("/a", "/", "/s/\x01", "/s/" + "x" * 256):
        with pytest.raises(DAVError):
            upload_of(path, None, {}, None)


@pytest.mark.parametrize(("text", "time"), [("", None), ("1000000000", 10**18), ("5.25", 5 * SECONDS), ("0", 0)])
def test_times_that_come_along(text: str, time: int | None) -> None:
    assert time_field({"HTTP_X_OC_MTIME": text}) == time


@pytest.mark.parametrize("text", ["soon", "-5", "٣", "9" * 12, "1e9"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(DAVError):
        time_field({"HTTP_X_OC_MTIME": text})
