"""What is learned of the ways to a relay, and how long it holds."""

from __future__ import annotations

from gimmal.transport.relay_ways import REMEMBERED_SECONDS, LegWay, LegWays, RelayWays


def test_a_way_that_fails_gives_its_place_to_the_next_and_the_last_to_the_first() -> None:
    ways, seen = LegWays(), []
    for _ in range(4):
        seen.append(ways.current(0.0))
        ways.failed(seen[-1], 0.0)
    assert seen == [LegWay.RAW, LegWay.TLS, LegWay.WEB, LegWay.RAW]
    assert [ways.next_after(way) for way in LegWay] == [LegWay.TLS, LegWay.WEB, None]


def test_a_proven_way_is_left_at_its_second_failure() -> None:
    ways = LegWays()
    ways.worked(LegWay.RAW, 0.0)
    assert ways.is_proven(LegWay.RAW) and not ways.is_proven(LegWay.TLS)
    assert not ways.is_doubtful(LegWay.RAW)
    ways.failed(LegWay.RAW, 1.0)
    assert ways.current(1.0) is LegWay.RAW and not ways.is_proven(LegWay.RAW)
    ways.failed(LegWay.RAW, 2.0)
    assert ways.current(2.0) is LegWay.TLS
    # Told late, by a link from before: that says nothing of the way there is now.
    ways.failed(LegWay.RAW, 3.0)
    assert ways.current(3.0) is LegWay.TLS


def test_only_a_raw_way_that_is_not_proven_is_doubtful_and_may_be_begun_anew() -> None:
    ways = LegWays()
    assert [ways.is_doubtful(way) for way in LegWay] == [True, False, False]
    ways.failed(LegWay.RAW, 0.0)
    ways.worked(LegWay.TLS, 0.0)
    ways.begin_anew()
    assert ways.current(0.0) is LegWay.RAW and ways.is_doubtful(LegWay.RAW)


def test_a_way_that_worked_is_the_current_one() -> None:
    ways = LegWays()
    ways.worked(LegWay.TLS, 5.0)
    assert ways.current(5.0) is LegWay.TLS and ways.is_proven(LegWay.TLS)


def test_a_way_is_known_as_long_as_its_last_link_came_to_life() -> None:
    ways, web = LegWays(), LegWays(only_web=True)
    assert ways.known(0.0) is web.known(0.0) is None
    ways.failed(LegWay.RAW, 1.0)
    assert ways.known(1.0) is None
    ways.worked(LegWay.TLS, 2.0)
    web.worked(LegWay.WEB, 2.0)
    assert (ways.known(2.0), web.known(2.0)) == (LegWay.TLS, LegWay.WEB)
    ways.failed(LegWay.TLS, 3.0)
    assert ways.known(3.0) is None
    ways.worked(LegWay.TLS, 4.0)
    assert ways.known(1.0 + REMEMBERED_SECONDS) is None


def test_what_was_blocked_is_tried_again_after_ten_minutes() -> None:
    ways = LegWays()
    ways.failed(LegWay.RAW, 100.0)
    ways.worked(LegWay.TLS, 101.0)
    assert ways.current(99.0 + REMEMBERED_SECONDS) is LegWay.TLS
    assert ways.current(100.0 + REMEMBERED_SECONDS) is LegWay.RAW
    assert not ways.is_proven(LegWay.RAW)


def test_where_the_control_is_a_websocket_legs_are_too() -> None:
    ways = LegWays(only_web=True)
    assert ways.current(0.0) is LegWay.WEB and ways.next_after(LegWay.WEB) is None
    ways.failed(LegWay.WEB, 0.0)
    assert ways.current(0.0) is LegWay.WEB and not ways.is_proven(LegWay.WEB)
    ways.worked(LegWay.WEB, 0.0)
    assert ways.is_proven(LegWay.WEB)


def test_another_network_begins_anew_and_the_same_does_not() -> None:
    relay = RelayWays()
    home = relay.connected("192.0.2.1", False, 0.0)
    home.failed(LegWay.RAW, 0.0)
    assert relay.connected("192.0.2.1", False, 1.0) is home
    assert relay.connected("192.0.2.2", False, 2.0).current(2.0) is LegWay.RAW
    assert relay.connected("192.0.2.1", False, 3.0).current(3.0) is LegWay.RAW


def test_websocket_is_begun_first_for_ten_minutes_after_it_worked() -> None:
    relay = RelayWays()
    assert not relay.web_first(0.0)
    assert relay.connected("192.0.2.1", True, 10.0).only_web
    assert relay.web_first(9.0 + REMEMBERED_SECONDS) and not relay.web_first(10.0 + REMEMBERED_SECONDS)
    relay.connected("192.0.2.1", True, 20.0)
    assert not relay.connected("192.0.2.1", False, 30.0).only_web
    assert not relay.web_first(31.0)
