"""Conditions of requests (RFC 9110, section 13)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.frontends.stream.conditions import Validators, Verdict
from gimmal.protocol.messages import Version

SECONDS = 1_000_000_000
VERSION = Version(7, 1000, SECONDS * 1_000_000_000 + 5)
VALIDATORS = Validators(VERSION)
ETAG = VALIDATORS.etag
DATE = "Sun, 09 Sep 2001 01:46:40 GMT"
EARLIER, LATER = "Sun, 09 Sep 2001 01:46:39 GMT", "Sun, 09 Sep 2001 01:46:41 GMT"


def test_validators_name_one_version() -> None:
    assert VALIDATORS.last_modified == DATE
    others = (Version(8, 1000, VERSION.mtime_ns), Version(7, 1001, VERSION.mtime_ns), Version(7, 1000, 1))
    assert len({Validators(one).etag for one in (VERSION, *others)}) == 4
    assert Validators(Version(7, 1, -(10**30))).last_modified == ""


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, Verdict.ANSWER),
        ({"if-match": ETAG}, Verdict.ANSWER),
        ({"if-match": f'"other", {ETAG}'}, Verdict.ANSWER),
        ({"if-match": "*"}, Verdict.ANSWER),
        ({"if-match": '"other"'}, Verdict.FAILED),
        ({"if-match": "W/" + ETAG}, Verdict.FAILED),
        ({"if-unmodified-since": DATE}, Verdict.ANSWER),
        ({"if-unmodified-since": EARLIER}, Verdict.FAILED),
        ({"if-unmodified-since": "no date"}, Verdict.ANSWER),
        ({"if-match": ETAG, "if-unmodified-since": EARLIER}, Verdict.ANSWER),
        ({"if-none-match": ETAG}, Verdict.NOT_MODIFIED),
        ({"if-none-match": "W/" + ETAG}, Verdict.NOT_MODIFIED),
        ({"if-none-match": "*"}, Verdict.NOT_MODIFIED),
        ({"if-none-match": '"other"'}, Verdict.ANSWER),
        ({"if-none-match": '"other"', "if-modified-since": DATE}, Verdict.ANSWER),
        ({"if-modified-since": DATE}, Verdict.NOT_MODIFIED),
        ({"if-modified-since": LATER}, Verdict.NOT_MODIFIED),
        ({"if-modified-since": EARLIER}, Verdict.ANSWER),
        ({"if-modified-since": "yesterday"}, Verdict.ANSWER),
        ({"if-match": '"other"', "if-none-match": ETAG}, Verdict.FAILED),
    ],
)
def test_verdicts(fields: dict[str, str], verdict: Verdict) -> None:
    assert VALIDATORS.judge(fields) is verdict


@pytest.mark.parametrize(
    ("field", "holds"),
    [
        (None, True),
        (ETAG, True),
        ("W/" + ETAG, False),
        ('"other"', False),
        (DATE, True),
        (EARLIER, False),
        ("x", False),
    ],
)
def test_if_range(field: str | None, holds: bool) -> None:
    assert VALIDATORS.range_holds(field, SECONDS + 3600) is holds


def test_a_date_of_just_now_names_no_version() -> None:
    assert not VALIDATORS.range_holds(DATE, SECONDS + 1)


@given(st.text(max_size=60))
def test_any_field_gets_a_verdict(text: str) -> None:
    for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"):
        assert VALIDATORS.judge({name: text}) in Verdict
    VALIDATORS.range_holds(text, SECONDS)
