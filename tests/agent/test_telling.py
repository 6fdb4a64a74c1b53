"""The person at ``gimmal up`` hears once of a way that fails, and when it is there again."""

from __future__ import annotations

import socket
import time

from gimmal.agent.telling import COMPUTER_MAX, USE_QUIET_SECONDS, UseNews, WayNews, connected_line
from gimmal.base.errors import GimmalError, RelayError
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.link import PathKind
from gimmal.transport.relay_keeper import RelayStatus
from tests.endtoend.world import new_world, plug_in, until

URL = RelayUrl.parse("gimmal-relay://relay.example.org:7117/")
OTHER = RelayUrl.parse("gimmal-relay://other.example.org:7117/")


def status(failure: GimmalError | None = None, url: RelayUrl = URL, *, connected: bool = False) -> RelayStatus:
    return RelayStatus(url, connected, failure, False, 0)


def test_a_trouble_is_told_once_and_its_end() -> None:
    lines: list[str] = []
    news = WayNews(lines.append)
    news.on_relay(status())
    news.on_relay(status(connected=True))
    assert lines == []
    news.on_relay(status(RelayError("the relay closed the connection", "try again")))
    news.on_relay(status(RelayError("the relay cannot be reached", "check the network")))
    news.on_relay(status(RelayError("away", ""), OTHER))
    assert lines == ["relay: the relay closed the connection; try again", "relay: away"]
    news.on_relay(status(connected=True))
    news.on_relay(status(connected=True))
    assert lines[2:] == ["relay: connected to relay.example.org:7117"]
    news.on_relay(status(RelayError("lost", "")))
    assert lines[3:] == ["relay: lost"]


def test_a_refusal_is_news_after_mere_absence() -> None:
    lines: list[str] = []
    news = WayNews(lines.append)
    refused = RelayError("the relay refuses: \x1b[2J", "", hopeless=True)
    for failure in (RelayError("away", ""), refused, refused, RelayError("away", "")):
        news.on_relay(status(failure))
    assert lines == ["relay: away", "relay: the relay refuses: \\x1b[2J"]


def test_an_address_dialled_in_vain_is_told_once_for_each_absence() -> None:
    lines: list[str] = []
    news = WayNews(lines.append)
    for _ in range(3):
        news.on_dial(GimmalError("cannot connect", "see that gimmal runs there"))
    news.on_connected()
    news.on_dial(GimmalError("cannot connect", ""))
    assert lines == ["waiting: cannot connect; see that gimmal runs there", "waiting: cannot connect"]


def test_who_has_connected_is_named_as_it_calls_itself_and_cannot_write_lines() -> None:
    assert connected_line("oak", "lan") == "connected: the other side on oak, lan"
    assert connected_line("", "relayed") == "connected: the other side, relayed"
    crooked = connected_line("\n\x1b[31m\u202e" + "x" * 1000, "direct")
    assert crooked.startswith("connected: the other side on \\x0a\\x1b[31m\\u202ex")
    assert len(crooked) < COMPUTER_MAX + 50
    assert crooked.isprintable()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_up_says_that_its_relay_is_away_and_that_it_came_back() -> None:
    with new_world() as world:
        relay = world.start_relay()
        world.pair()
        relay.stop()
        agent = world.up(world.a)
        assert "cannot be reached: connection refused" in agent.wait_line("relay: the relay ")
        world.restart_relay()
        assert agent.wait_line("relay: connected to ") == f"127.0.0.1:{relay.port}"


def test_up_says_that_another_program_answers_for_its_half() -> None:
    with new_world() as world:
        world.start_relay()
        world.pair()
        world.relay_sees(world.up(world.a), world.a)
        # As another user of the same computer, or a copy of the half elsewhere: the lock does not see it.
        second = world.up(world.a, environment={"XDG_RUNTIME_DIR": str(world.b.base / "run")})
        said = second.wait_line("relay: ")
        assert "another program already answers for this half" in said
        assert "somebody has a copy of it: join the pair again" in said


def test_up_says_that_the_address_it_dials_does_not_answer() -> None:
    with new_world() as world:
        world.pair(relay=False)
        port = free_port()
        agent = world.up(world.b, more=["--at", f"127.0.0.1:{port}"])
        assert f"cannot connect to 127.0.0.1 port {port}" in agent.wait_line("waiting: ")
        home = world.up(world.a, listen=f"127.0.0.1:{port}")
        assert home.wait_connected() == agent.wait_connected() == "direct"
        assert agent.count_lines("waiting: ") == 1


def test_a_command_of_the_other_side_is_news_after_a_quiet_time() -> None:
    lines: list[str] = []
    now = 0.0
    news = UseNews(lines.append, lambda: now)
    news.on_command("gimmal 0.1.0\x1b[31m" + "x" * 500, "hotel\r", "direct")
    assert lines[0].startswith("used: by a command of the other side on hotel\\x0d, gimmal 0.1.0\\x1b[31mx")
    assert lines[0].endswith(", direct")
    assert len(lines[0]) < 150
    for moment in (1.0, USE_QUIET_SECONDS, 2 * USE_QUIET_SECONDS - 1):
        now = moment
        news.on_command("gimmal", "hotel", "direct")
    assert len(lines) == 1
    now = 3 * USE_QUIET_SECONDS
    news.on_command("gimmal", "", "relayed")
    assert lines[1:] == ["used: by a command of the other side, gimmal, relayed"]


def test_a_move_is_told_with_its_round_trip() -> None:
    lines: list[str] = []
    news = WayNews(lines.append)
    news.on_moved(PathKind.DIRECT, 0.0123, PathKind.RELAYED)
    news.on_moved(PathKind.RELAYED, None, PathKind.DIRECT)
    assert lines == ["path: now direct, 12 ms; was relayed", "path: now relayed; was direct"]


def test_status_says_how_the_session_travels() -> None:
    with new_world() as world:
        plugged = plug_in(world, both=True)
        assert plugged.agent_b is not None
        until(lambda: world.agent_status(world.b)["path"] == "direct", "the direct path")
        status = world.status(world.b)
        agent = status["agent"]
        assert agent["connected"] is True
        assert agent["links"]["direct"] >= 1
        assert agent["why_not"] == {}
        assert abs(agent["path_since"] - time.time()) < 600
        assert agent["received_rate"] >= 0 and agent["sent_rate"] >= 0
        assert status["other_side"]["path"] == "direct"
        assert "path: direct, " in world.run(world.b, "status").out


def test_status_alone_has_nothing_to_say_where_a_better_path_can_be_had() -> None:
    with new_world() as world:
        world.start_relay()
        world.pair()
        agent = world.up(world.a, world.a.folder("shared"), listen=None)
        world.relay_sees(agent, world.a)
        status = world.status(world.b)
        assert status["agent"] is None
        assert status["other_side"]["why_not"] == {}
