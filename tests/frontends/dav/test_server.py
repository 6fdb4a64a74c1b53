"""A network drive over real sockets, of a tree over a real session."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gimmal.base.errors import LocalError
from gimmal.base.tcp_owner import owners_known
from gimmal.frontends.dav import writing
from gimmal.frontends.dav.guard import BODY_MAX
from gimmal.frontends.dav.server import HEADER_MAX, DavServer
from gimmal.frontends.dav.targets import quoted
from gimmal.protocol.codes import Code, error_of_code
from gimmal.remote.edits.open_file import OpenFile
from gimmal.share.shares import Rights
from tests.frontends.dav.drive import Client, drive, driving
from tests.nobody import as_nobody
from tests.patience import PATIENCE
from tests.remote.simulated_line import content_of
from tests.remote.two_sides import Sides, TwoSides

SIZE = 3_000_001
CONTENT = content_of(SIZE)
ODD_NAMES = [
    "a b",
    "ü",
    "100%",
    "a%2Fb",
    "x?y",
    "x#y",
    "x;y=1",
    "&<>\"'",
    "+",
    "~",
    "👩‍🚀",
    "...",
    " ",
    "[1]",
    "ab:c",
    "\uffff",
]


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "film.mkv").write_bytes(CONTENT)
    return made


def hrefs(answer: bytes) -> list[str]:
    return [str(one.findtext("{DAV:}href")) for one in ElementTree.fromstring(answer)]


# Reading -------------------------------------------------------------------------------------------------------------


def test_a_file_whole_and_in_ranges(two: TwoSides) -> None:
    draw = random.Random(2)

    def work(client: Client) -> None:
        whole = client.ask("GET", "/far/film.mkv")
        assert (whole.status, whole.body) == (200, CONTENT)
        assert whole.fields["cache-control"] == "no-store"
        assert whole.fields["x-content-type-options"] == "nosniff"
        assert whole.fields["content-security-policy"].startswith("default-src 'none'; ")
        head = client.ask("HEAD", "/far/film.mkv")
        assert (head.status, head.body) == (200, b"")
        assert {**head.fields, "date": ""} == {**whole.fields, "date": ""}
        for _ in range(20):
            first = draw.randrange(SIZE)
            last = min(SIZE - 1, first + draw.choice([0, 1, 4095, 1_500_000]))
            got = client.ask("GET", "/far/film.mkv", range=f"bytes={first}-{last}")
            assert (got.status, got.body) == (206, CONTENT[first : last + 1])
            assert got.fields["content-range"] == f"bytes {first}-{last}/{SIZE}"
        several = client.ask("GET", "/far/film.mkv", range="bytes=0-9,-1")
        assert several.status == 206
        assert len(several.body) == int(several.fields["content-length"])
        assert client.ask("GET", "/far/film.mkv", range=f"bytes={SIZE}-").status == 416
        etag = whole.fields["etag"]
        assert client.ask("GET", "/far/film.mkv", if_none_match=etag).status == 304
        assert client.ask("GET", "/far/film.mkv", range="bytes=0-1", if_range='"other"').body == CONTENT
        (two.far / "film.mkv").write_bytes(CONTENT[::-1])
        while client.ask("HEAD", "/far/film.mkv").fields["etag"] == etag:
            pass  # for a second at most what was known is told
        changed = client.ask("GET", "/far/film.mkv", range="bytes=0-1", if_range=etag)
        assert (changed.status, changed.body) == (200, CONTENT[::-1])

    drive(two, work)


def test_a_file_that_changes_while_it_is_sent_breaks_off(two: TwoSides) -> None:
    film, size = two.far / "film.mkv", 1 << 30
    os.truncate(film, size)

    def work(client: Client) -> None:
        client.connection.request("GET", "/far/film.mkv", headers={"authorization": f"Basic {client.secret}"})
        answer = client.connection.getresponse()
        received = [answer.read(100_000)]
        film.write_bytes(CONTENT[::-1] + bytes(size - SIZE))
        with contextlib.suppress(ConnectionError):
            while piece := answer.read(1 << 20):
                received.append(piece)
        client.close()
        got = b"".join(received)
        assert len(got) < size
        assert got[:SIZE] == CONTENT[: len(got)]
        assert not any(got[SIZE:])

    drive(two, work)


def test_files_larger_than_four_gigabytes(two: TwoSides) -> None:
    size = (5 << 30) + 1
    os.truncate(two.far / "film.mkv", size)
    with (two.far / "film.mkv").open("r+b") as file:
        file.seek(size - 3)
        file.write(b"end")

    def work(client: Client) -> None:
        got = client.ask("GET", "/far/film.mkv", range="bytes=-5")
        assert (got.body, got.fields["content-range"]) == (b"\0\0end", f"bytes {size - 5}-{size - 1}/{size}")
        assert f">{size}<".encode() in client.ask("PROPFIND", "/far/film.mkv", depth="0").body

    drive(two, work)


def test_a_listing_is_two_questions_at_most_and_every_name_leads_to_its_file(two: TwoSides) -> None:
    for name in ODD_NAMES:
        (two.far / name).write_text(name)
    (two.far / "link").symlink_to("film.mkv")
    os.mkfifo(two.far / "pipe")

    async def main(sides: Sides) -> None:
        async with driving(sides) as running:
            view = running.side.tree.view

            def work(client: Client) -> None:
                listed = client.ask("PROPFIND", "/far", depth="1")
                assert listed.status == 207
                places = hrefs(listed.body)
                assert set(places) == {"/far/", "/far/film.mkv"} | {f"/far/{quoted(name)}" for name in ODD_NAMES}
                asked = view.requests
                assert hrefs(client.ask("PROPFIND", "/far/", depth="1").body) == places
                assert view.requests == asked  # the folder is watched
                for name in ODD_NAMES:
                    got = client.ask("GET", f"/far/{quoted(name)}")
                    assert (got.status, got.body.decode()) == (200, name)
                for name in ("link", "pipe"):
                    assert client.ask("GET", f"/far/{name}").status == 404

            await running.use(work)

    two.run(main)


def test_types_are_none_that_a_browser_runs(two: TwoSides) -> None:
    (two.far / "page.html").write_text("<script>alert(1)</script>")

    def work(client: Client) -> None:
        got = client.ask("GET", "/far/page.html")
        assert got.fields["content-type"] == "application/octet-stream"
        assert "sandbox" in got.fields["content-security-policy"]
        folder = client.ask("GET", "/far/")
        assert (folder.status, folder.fields["content-type"]) == (200, "text/plain; charset=utf-8")

    drive(two, work)


def test_room_is_told_where_it_is_asked_for(two: TwoSides) -> None:
    question = b"<D:propfind xmlns:D='DAV:'><D:prop><D:quota-available-bytes/></D:prop></D:propfind>"

    def work(client: Client) -> None:
        answer = client.ask("PROPFIND", "/far", question, depth="0").body
        free = int(re.findall(rb"quota-available-bytes>(\d+)<", answer)[0])
        assert 0 < free < 1 << 60
        assert b"404 Not Found" not in client.ask("PROPFIND", "/", question, depth="0").body
        assert b"quota" not in client.ask("PROPFIND", "/far", depth="0").body

    drive(two, work)


# Who may ask ---------------------------------------------------------------------------------------------------------


def test_only_who_knows_the_password_is_answered(two: TwoSides) -> None:
    async def main(sides: Sides) -> None:
        async with driving(sides) as running:

            def work(client: Client) -> None:
                for login in (None, "Basic", "Basic !", "Basic Zm9v", "Basic Zm9vOmJhcg==", "Digest x", "Bearer x"):
                    for method in ("GET", "PROPFIND", "OPTIONS", "PUT", "BREW"):
                        got = client.ask(method, "/far/film.mkv", authorization=login)
                        assert (got.status, got.fields["www-authenticate"].split()[0]) == (401, "Digest")
                        assert running.login.password not in str(got)

            await running.use(work)

            def by_digest(_client: Client) -> bytes:
                manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
                manager.add_password(None, running.server.url, running.login.user, running.login.password)
                opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(manager))
                with opener.open(running.server.url + "far/film.mkv", timeout=PATIENCE) as got:
                    data: bytes = got.read()
                return data

            assert await running.use(by_digest) == CONTENT
            assert repr(running.login).find(running.login.password) == -1

    two.run(main)


def test_no_page_of_a_browser_is_answered(two: TwoSides) -> None:
    def work(client: Client) -> None:
        here = f"127.0.0.1:{client.port}"
        for fields in (
            {"host": "example.org"},
            {"host": "127.0.0.1"},
            {"host": f"127.0.0.1.example.org:{client.port}"},
            {"origin": "http://example.org"},
            {"origin": "null"},
            {"sec_fetch_site": "cross-site"},
        ):
            for method in ("GET", "PUT", "DELETE", "OPTIONS"):
                assert client.ask(method, "/far/film.mkv", **fields).status == 403
        assert (two.far / "film.mkv").read_bytes() == CONTENT
        for fields in ({"host": here.upper()}, {"host": f"localhost:{client.port}"}, {"origin": f"http://{here}"}):
            assert client.ask("HEAD", "/far/film.mkv", **fields).status == 200

    drive(two, work)


@pytest.mark.skipif(not owners_known() or os.geteuid() != 0, reason="needs root on a system that tells owners")
def test_programs_of_other_users_get_no_byte(two: TwoSides) -> None:
    def work(client: Client) -> None:
        with as_nobody(), socket.create_connection((client.host, client.port), PATIENCE) as stranger:
            stranger.sendall(b"OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(100) == b""
        assert client.ask("HEAD", "/far/film.mkv").status == 200

    drive(two, work)


def raw(client: Client, data: bytes) -> bytes:
    """What comes back for bytes on a connection of their own, until it is closed."""
    with socket.create_connection((client.host, client.port), PATIENCE) as connection:
        received = b""
        try:
            connection.sendall(data)
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:
            pass
        return received


def request(client: Client, head: str, body: bytes = b"", *, login: bool = True) -> bytes:
    secret = f"Authorization: Basic {client.secret}\r\n" if login else ""
    return f"{head}\r\nHost: 127.0.0.1:{client.port}\r\n{secret}\r\n".encode() + body


def test_what_is_no_request_gets_a_refusal_and_nothing_else(two: TwoSides) -> None:
    def work(client: Client) -> None:
        for head, status in (
            ("GET /far/%2e%2e/x HTTP/1.1\r\nConnection: close", b"400"),
            ("GET /far/%ff HTTP/1.1\r\nConnection: close", b"400"),
            ("GET /far/a%2Fb HTTP/1.1\r\nConnection: close", b"400"),
            ("PUT /far/x HTTP/1.1\r\nContent-Length: -5\r\nConnection: close", b"400"),
            ("PUT /far/x HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close", b"400"),
            (f"PROPFIND /far HTTP/1.1\r\nContent-Length: {BODY_MAX + 1}\r\nConnection: close", b"413"),
            ("PROPFIND /far HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close", b"411"),
            (f"GET /far HTTP/1.1\r\nX: {'x' * HEADER_MAX}\r\nConnection: close", b"413"),
            ("GET /far HTTP/9.9\r\nConnection: close", b"505"),
        ):
            answer = raw(client, request(client, head))
            assert answer.startswith(b"HTTP/1.1 " + status), (head[:60], answer[:200])
        assert raw(client, b"\x16\x03\x01" + bytes(200) + b"\r\n").startswith(b"HTTP/1.1 400")
        bomb = b"<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><x>&b;</x>"
        assert client.ask("PROPFIND", "/far", bomb, depth="0").status == 400
        outside = b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>"
        assert client.ask("LOCK", "/far/film.mkv", outside, depth="0").status == 400
        assert client.ask("PROPFIND", "/far").status == 403  # of all below
        assert client.ask("HEAD", "/far/film.mkv").status == 200

    drive(two, work)


# Writing -------------------------------------------------------------------------------------------------------------


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def test_what_is_put_is_there_when_it_is_answered(two: TwoSides) -> None:
    def work(client: Client) -> None:
        for name, content in (("empty", b""), ("small", b"12345"), ("large", CONTENT)):
            for body in (content, pieces(content, 70_001)):
                got = client.ask("PUT", f"/far/{name}", body)
                assert got.status == (201 if isinstance(body, bytes) else 204)
                assert (two.far / name).read_bytes() == content
            read = client.ask("GET", f"/far/{name}")
            assert (read.body, read.fields["etag"]) == (content, got.fields["etag"])
        assert client.ask("PUT", "/far/no/such", b"1").status == 409
        assert client.ask("PUT", "/far", b"1").status == 405
        assert client.ask("PUT", "/new", b"1").status == 403
        assert client.ask("PUT", "/far/%01", b"1").status == 400
        assert client.ask("PUT", "/far/part", b"1", content_range="bytes 0-0/5").status == 400

    drive(two, work)


def test_a_mode_stays_and_a_time_that_comes_along_is_kept(two: TwoSides) -> None:
    (two.far / "film.mkv").chmod(0o640)

    def work(client: Client) -> None:
        got = client.ask("PUT", "/far/film.mkv", b"1", x_oc_mtime="1000000000")
        assert got.fields["x-oc-mtime"] == "accepted"
        state = (two.far / "film.mkv").stat()
        assert (state.st_mtime, state.st_mode & 0o777) == (1_000_000_000, 0o640)
        assert client.ask("PUT", "/far/film.mkv", b"1", x_oc_mtime="yesterday").status == 400

    drive(two, work)


def test_conditions_hold_until_the_file_is_written(two: TwoSides) -> None:
    def work(client: Client) -> None:
        etag = client.ask("HEAD", "/far/film.mkv").fields["etag"]
        assert client.ask("PUT", "/far/film.mkv", b"1", if_none_match="*").status == 412
        assert client.ask("PUT", "/far/new", b"1", if_match="*").status == 412
        assert client.ask("PUT", "/far/film.mkv", b"1", if_match='"other"').status == 412
        assert (two.far / "film.mkv").read_bytes() == CONTENT
        changed = threading.Event()

        def body() -> Iterator[bytes]:
            yield CONTENT[:2_000_000]
            (two.far / "film.mkv").write_bytes(b"theirs")
            changed.set()
            yield CONTENT[2_000_000:]

        got = client.ask("PUT", "/far/film.mkv", body(), if_match=etag)
        assert changed.is_set()
        assert got.status == 412
        assert (two.far / "film.mkv").read_bytes() == b"theirs"
        before = etag
        while (etag := client.ask("HEAD", "/far/film.mkv").fields["etag"]) == before:
            pass
        assert client.ask("PUT", "/far/film.mkv", b"ours", if_match=etag).status == 204
        assert client.ask("PUT", "/far/new", b"1", if_none_match="*").status == 201

    drive(two, work)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("size", [10_000, 2_500_000])
def test_a_body_that_breaks_off_changes_nothing(two: TwoSides, size: int, chunked: bool) -> None:
    content = CONTENT[:size]

    def work(client: Client) -> None:
        for name in ("film.mkv", "new"):
            if chunked:
                head = f"PUT /far/{name} HTTP/1.1\r\nTransfer-Encoding: chunked"
                cut = b"%x\r\n" % size + content + b"\r\n5\r\n12"
            else:
                head, cut = f"PUT /far/{name} HTTP/1.1\r\nContent-Length: {size + 1}", content
            with socket.create_connection((client.host, client.port), PATIENCE) as connection:
                connection.sendall(request(client, head, cut))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            # Answered or not: the server is done with it when it has closed.
        assert (two.far / "film.mkv").read_bytes() == CONTENT
        assert not (two.far / "new").exists()
        assert client.ask("PUT", "/far/new", b"1").status == 201

    drive(two, work)
    assert sorted(path.name for path in two.far.iterdir()) == ["film.mkv", "new"]


def test_a_refused_body_is_not_asked_for_and_not_kept(two: TwoSides) -> None:
    def work(client: Client) -> None:
        head = f"PUT /far/x HTTP/1.1\r\nContent-Length: {1 << 40}\r\nExpect: 100-continue\r\nConnection: close"
        answer = raw(client, request(client, head, login=False))
        assert answer.startswith(b"HTTP/1.1 401"), answer[:100]
        welcome = raw(
            client,
            request(
                client, "PUT /far/x HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close", b"12"
            ),
        )
        assert welcome.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201")
        # Without that word a part of it is read, so that the answer is heard.
        size = 2_000_000
        answer = raw(
            client,
            request(
                client, f"PUT /far/x HTTP/1.1\r\nContent-Length: {size}\r\nConnection: close", bytes(size), login=False
            ),
        )
        assert answer.startswith(b"HTTP/1.1 401")
        assert (two.far / "x").read_bytes() == b"12"

    drive(two, work)


def test_without_a_line_a_file_is_taken_as_a_whole_or_not_at_all(
    two: TwoSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "KEPT_MAX", 2_000_000)

    async def never() -> bool:
        return False

    async def main(sides: Sides) -> None:
        async with driving(sides) as running:
            # The line is said to be down, and is not: what is kept goes home at once, by the other way.
            monkeypatch.setattr(running.side, "sends_now", never)

            def work(client: Client) -> None:
                for name in ("film.mkv", "new"):
                    for content in (b"short", CONTENT[:1_900_000], b""):
                        assert client.ask("PUT", f"/far/{name}", content, x_oc_mtime="1000000000").status < 300
                        assert (two.far / name).read_bytes() == content
                        assert (two.far / name).stat().st_mtime == 1_000_000_000
                assert client.ask("PUT", "/far/film.mkv", b"stays").status == 204
                for name in ("film.mkv", "another"):
                    refused = client.ask("PUT", f"/far/{name}", CONTENT)
                    assert (refused.status, refused.fields["retry-after"]) == (503, "10")
                assert (two.far / "film.mkv").read_bytes() == b"stays"

                async def full(*_given: object) -> int:
                    raise error_of_code(Code.NO_SPACE, "")

                monkeypatch.setattr(OpenFile, "write", full)
                for name in ("film.mkv", "another"):
                    assert client.ask("PUT", f"/far/{name}", b"1").status == 507
                assert (two.far / "film.mkv").read_bytes() == b"stays"
                assert not (two.far / "another").exists()

            await running.use(work)

    two.run(main)


def test_two_who_write_one_file_do_not_mix(two: TwoSides) -> None:
    async def main(sides: Sides) -> None:
        async with driving(sides) as running:
            written = running.server.provider.written

            def work(client: Client) -> None:
                other = Client(client.url, client.login)

                def body() -> Iterator[bytes]:
                    yield CONTENT[:1_500_000]
                    while not written:
                        other.ask("HEAD", "/far/film.mkv")
                    refused = other.ask("PUT", "/far/film.mkv", b"other")
                    assert (refused.status, refused.fields["retry-after"]) == (503, "10")
                    yield CONTENT[1_500_000:]

                assert client.ask("PUT", "/far/film.mkv", body()).status == 204
                assert (two.far / "film.mkv").read_bytes() == CONTENT
                assert other.ask("PUT", "/far/film.mkv", b"other").status == 204
                other.close()

            await running.use(work)

    two.run(main)


def test_folders_are_made_moved_copied_and_removed_over_there(two: TwoSides) -> None:
    async def main(sides: Sides) -> None:
        async with driving(sides) as running:

            def work(client: Client) -> None:
                assert client.ask("MKCOL", "/far/a").status == 201
                assert client.ask("MKCOL", "/far/a").status == 405
                assert client.ask("MKCOL", "/far/no/such").status == 409
                assert client.ask("MKCOL", "/far/a/b%3F").status == 201
                assert (
                    client.ask("MOVE", "/far/film.mkv", destination=f"{client.url}far/a/b%3F/x%3F%3B%2523").status
                    == 201
                )
                assert (two.far / "a" / "b?" / "x?;%23").read_bytes() == CONTENT
                before = sides.wire_bytes
                assert client.ask("COPY", "/far/a", destination="/far/c").status == 201
                assert sides.wire_bytes - before < SIZE / 10
                assert (two.far / "c" / "b?" / "x?;%23").read_bytes() == CONTENT
                assert hrefs(client.ask("PROPFIND", "/far", depth="1").body) == ["/far/", "/far/a/", "/far/c/"]
                assert client.ask("COPY", "/far/a", destination="/far/c", overwrite="F").status == 412
                assert client.ask("COPY", "/far/a/", destination="/far/d/", depth="0").status == 201
                assert list((two.far / "d").iterdir()) == []
                assert client.ask("MOVE", "/far/d", destination="/far/c").status == 204
                assert list((two.far / "c").iterdir()) == []
                for where in ("/far/a/b%3F/new", "/far/a", "/far", "/"):
                    assert client.ask("MOVE", "/far/a", destination=where).status in (403, 409)
                for where in ("http://example.org/far/x", "ftp:x"):
                    assert client.ask("MOVE", "/far/a", destination=where).status == 502
                assert client.ask("MOVE", "/far/a").status == 400
                assert client.ask("DELETE", "/far/a").status == 204
                assert client.ask("DELETE", "/far/a").status == 404
                assert client.ask("DELETE", "/far").status == 403
                assert [path.name for path in two.far.iterdir()] == ["c"]

            await running.use(work)

    two.run(main)


def test_times_as_windows_and_gnome_set_them(two: TwoSides) -> None:
    patch = (
        "<D:propertyupdate xmlns:D='DAV:' xmlns:Z='urn:schemas-microsoft-com:'><D:set><D:prop>{}</D:prop></D:set>"
        "</D:propertyupdate>"
    )
    windows = (
        "<Z:Win32CreationTime>Thu, 01 Jan 2026 00:00:00 GMT</Z:Win32CreationTime>"
        "<Z:Win32LastModifiedTime>Sun, 09 Sep 2001 01:46:40 GMT</Z:Win32LastModifiedTime>"
        "<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>"
    )

    def work(client: Client) -> None:
        got = client.ask("PROPPATCH", "/far/film.mkv", patch.format(windows).encode())
        assert got.status == 207
        assert got.body.count(b"200 OK") == 1
        assert (two.far / "film.mkv").stat().st_mtime == 1_000_000_000
        gnome = "<D:getlastmodified>Sun, 09 Sep 2001 01:46:41 GMT</D:getlastmodified>"
        assert b"200 OK" in client.ask("PROPPATCH", "/far/film.mkv", patch.format(gnome).encode()).body
        assert (two.far / "film.mkv").stat().st_mtime == 1_000_000_001
        wrong = "<D:getlastmodified>soon</D:getlastmodified>"
        assert b"403 Forbidden" in client.ask("PROPPATCH", "/far/film.mkv", patch.format(wrong).encode()).body
        assert (two.far / "film.mkv").stat().st_mtime == 1_000_000_001

    drive(two, work)


LOCK = (
    b"<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>"
    b"</D:lockinfo>"
)


def test_a_lock_keeps_others_out(two: TwoSides) -> None:
    (two.far / "folder").mkdir()

    def work(client: Client) -> None:
        got = client.ask("LOCK", "/far/folder/new", LOCK, depth="0", timeout="Second-600")
        assert (got.status, (two.far / "folder" / "new").read_bytes()) == (201, b"")
        token = got.fields["lock-token"]
        for method, fields in (
            ("PUT", {}),
            ("DELETE", {}),
            ("MOVE", {"destination": "/far/x"}),
            ("LOCK", {}),
        ):
            body = {"PUT": b"1", "LOCK": LOCK}.get(method)
            assert client.ask(method, "/far/folder/new", body, **fields).status == 423
        assert client.ask("DELETE", "/far/folder").status == 423
        assert client.ask("MOVE", "/far/folder", destination="/far/other").status == 423
        assert client.ask("COPY", "/far/film.mkv", destination="/far/folder/new").status == 423
        assert client.ask("PUT", "/far/folder/new", b"mine", if_=f"({token})").status == 204
        assert client.ask("UNLOCK", "/far/folder/new", lock_token=token).status == 204
        assert client.ask("PUT", "/far/folder/new", b"anyone").status == 204

    drive(two, work)


def test_in_a_folder_that_others_have_locked_nothing_is_made(two: TwoSides) -> None:
    (two.far / "folder").mkdir()

    def work(client: Client) -> None:
        token = client.ask("LOCK", "/far/folder", LOCK, depth="infinity").fields["lock-token"]
        for method, body in (("LOCK", LOCK), ("PUT", b"1"), ("MKCOL", None)):
            assert client.ask(method, "/far/folder/new", body).status == 423
        assert list((two.far / "folder").iterdir()) == []
        assert client.ask("PUT", "/far/folder/new", b"1", if_=f"<{client.url}far/folder> ({token})").status == 201
        assert client.ask("LOCK", "/far/folder", depth="0", if_=f"({token})", timeout="Second-60").status == 200

    drive(two, work)


def test_a_share_that_is_read_only_stays_as_it_is(tmp_path: Path) -> None:
    two = TwoSides(tmp_path, far_rights=Rights.READ_ONLY)
    (two.far / "film.mkv").write_bytes(CONTENT)

    def work(client: Client) -> None:
        assert client.ask("GET", "/far/film.mkv").body == CONTENT
        assert client.ask("PUT", "/far/film.mkv", b"1").status == 403
        assert client.ask("PUT", "/far/large", CONTENT).status == 403
        assert client.ask("DELETE", "/far/film.mkv").status == 403
        assert client.ask("MKCOL", "/far/x").status == 403
        assert client.ask("MOVE", "/far/film.mkv", destination="/far/x").status == 403

    drive(two, work)
    assert hashlib.sha256((two.far / "film.mkv").read_bytes()).digest() == hashlib.sha256(CONTENT).digest()


# Its end -------------------------------------------------------------------------------------------------------------


def test_it_ends_while_a_client_reads_and_nothing_is_left_of_it(two: TwoSides) -> None:
    os.truncate(two.far / "film.mkv", 1 << 30)

    async def main(sides: Sides) -> None:
        threads = {thread.name for thread in threading.enumerate()}
        async with driving(sides) as running:
            reader = socket.create_connection((running.host, running.port), PATIENCE)
            head = f"GET /far/film.mkv HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n"
            reader.sendall(f"{head}Authorization: Basic {running.secret}\r\n\r\n".encode())
            await running.use(lambda _client: reader.recv(1000))
        reader.settimeout(PATIENCE)

        def rest() -> int:
            total = 0
            try:
                while piece := reader.recv(1 << 20):
                    total += len(piece)
            except ConnectionError:
                pass
            return total

        assert rest() < 1 << 30
        reader.close()
        left = {thread.name for thread in threading.enumerate() if thread.is_alive() and "WSGI" in thread.name}
        assert left <= threads

    two.run(main)


def test_a_port_that_is_taken_is_said(two: TwoSides) -> None:
    async def main(sides: Sides) -> None:
        async with driving(sides) as running:
            with pytest.raises(LocalError, match="cannot be had"):
                DavServer(running.side, running.login, running.port)

    two.run(main)
