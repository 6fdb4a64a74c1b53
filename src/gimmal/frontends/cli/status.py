"""``gimmal status``: this half, its agent, and the way to the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gimmal.frontends.cli.reaching import Way, reach_options, run_with_reach

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach
    from gimmal.base.errors import GimmalError


@click.command("status")
@click.option("--safe", is_flag=True, help="Say only whether the half may be pulled out now; exit code 4 if not.")
@reach_options
def command(safe: bool, way: Way, as_json: bool) -> None:
    """Show this half, the agent that serves it on this computer, and how the other side is reached.

    Exit code 0 where the other side answers.
    """
    from gimmal.frontends.cli.output import print_json

    if safe:
        from gimmal.frontends.cli.safe import say_whether_safe

        say_whether_safe(way, as_json=as_json)
        return
    value, failure = run_with_reach(way, _collect)
    if as_json:
        print_json(value)
    else:
        _print(value)
    if failure is not None:
        raise failure


async def _collect(reach: Reach) -> tuple[dict[str, Any], GimmalError | None]:
    import contextlib

    from gimmal.agent.safe import unsent_of
    from gimmal.base.errors import GimmalError, PeerAbsent, WrongPassword

    header = reach.header
    value: dict[str, Any] = {
        "pair": header.pair_name,
        "pair_id": header.pair_id.hex(),
        "side": header.side.value,
        "generation": header.generation,
        "password": header.has_password,
        "half": str(reach.location),
        "agent": None,
        "other_side": {"reached": False},
    }
    failure: GimmalError | None = None
    try:
        answered = await reach.ask_agent("status", 5.0)
        if answered is not None:
            reply, connection = answered
            connection.close()
            value["agent"] = reply.status
        value["other_side"] = await _look_over(reach)
    except WrongPassword:
        raise
    except GimmalError as exc:
        failure = exc
        said = exc.last_seen if isinstance(exc, PeerAbsent) else 0
        known = value["agent"]["last_seen"] if value["agent"] and "last_seen" in value["agent"] else reach.last_seen
        value["other_side"] = {"reached": False, "reason": exc.message, "last_seen": max(said, known)}
    value["edits"] = None
    with contextlib.suppress(GimmalError):
        unsent = await unsent_of(reach)
        value["edits"] = {"going_home": unsent.files, "on_this_computer": unsent.on_computer}
        value["edits"]["not_done"] = list(unsent.not_done)
    return value, failure


async def _look_over(reach: Reach) -> dict[str, Any]:
    import asyncio

    loop = asyncio.get_running_loop()
    reached = await reach.open(as_call=True)
    started = loop.time()
    await reached.files.stat("")
    round_trip = loop.time() - started
    value = {"reached": True, "path": reached.path, "way": reached.way, "round_trip_ms": round(round_trip * 1000, 2)}
    return value if reached.through_agent else value | {"why_not": await reach.why_not_better()}


def _print(value: dict[str, Any]) -> None:
    from gimmal.base.display import displayable

    password = "with a password" if value["password"] else "no password"
    print(f"pair: {displayable(value['pair'])}")
    print(f"half: {value['side']}, generation {value['generation']}, {password}, {displayable(value['half'])}")
    agent = value["agent"]
    if agent is None:
        print("agent: none on this computer")
    else:
        print(f"agent: running, sessions {agent['sessions']}")
        _print_paths(agent)
        for share in agent["shares"]:
            print(f"share: {displayable(share['name'])} {share['rights']} {displayable(share['path'])}")
        for relay in agent["relays"]:
            print(f"relay: {displayable(relay['address'])} {_relay_state(relay)}")
        if "port_mapping" in agent:  # an agent started before an update does not say
            _print_port_mapping(agent["port_mapping"])
        if "sleep" in agent:
            print_sleep(agent["sleep"])
    if value["edits"] and value["edits"]["going_home"]:
        print(f"edits: {going_home(value['edits']['going_home'], value['edits']['on_this_computer'])}")
        for reason in value["edits"]["not_done"]:
            print(f"edits: not done, {displayable(reason)}")
    other = value["other_side"]
    if other["reached"]:
        print(f"other side: answers, {_path(other['path'], other['way'])}, {other['round_trip_ms']} ms")
        _print_why_not(other.get("why_not", {}))
    else:
        print(f"other side: not reached, {_seen(other.get('last_seen', 0))}")


def print_sleep(sleep: dict[str, Any]) -> None:
    """Whether this computer's sleep is held off, by what its agent says."""
    from gimmal.base.display import displayable

    if sleep["held_off"]:
        print("sleep: held off while the other side is connected")
    else:
        how = "" if sleep["wanted"] else "; gimmal awake on asks for it"
        print(f"sleep: not held off, {displayable(sleep['reason'])}{how}")


def going_home(files: int, on_computer: int) -> str:
    """How many files still go home, and how many of those only from this computer."""
    from gimmal.frontends.cli.output import counted

    text = f"{counted(files, 'file')} still going home"
    if on_computer in (0, files):
        return f"{text}, kept on {'this computer only' if on_computer else 'the half'}"
    return f"{text}, {on_computer:,} of them kept on this computer only"


def _seen(moment: int) -> str:
    import time

    from gimmal.base.moments import clock_text

    return f"last seen {clock_text(moment, time.time())}" if moment else "never seen from here"


def _path(path: str, way: str) -> str:
    """A path, and of a relayed one what it travels in on its way to the relay."""
    return f"{path} ({way})" if way else path


def _print_port_mapping(mapping: dict[str, Any]) -> None:
    from gimmal.base.display import displayable

    for one in mapping["addresses"]:
        print(f"port mapping: {displayable(one['address'])} by {one['by']}")
    if not mapping["addresses"]:
        print(f"port mapping: none, {displayable(mapping['reason'])}")


def _print_paths(agent: dict[str, Any]) -> None:
    """How the agent's session with the other side travels."""
    from gimmal.frontends.cli.output import human_size, local_time

    if not agent["connected"]:
        return
    if "why_not" not in agent:  # an agent started before an update says no more
        print(f"path: {agent['path']}")
        return
    parts = [_path(agent["path"], agent.get("path_way", ""))]
    if agent["round_trip_ms"] is not None:
        parts.append(f"{agent['round_trip_ms']} ms")
    parts.append(f"since {local_time(agent['path_since'] * 1_000_000_000)}")
    parts.append(f"receives {human_size(agent['received_rate'])}/s, sends {human_size(agent['sent_rate'])}/s")
    print(f"path: {', '.join(parts)}")
    _print_why_not(agent["why_not"])


def _print_why_not(why_not: dict[str, str]) -> None:
    from gimmal.base.display import displayable

    for path, reason in why_not.items():
        print(f"not {path}: {displayable(reason)}")


def _relay_state(relay: dict[str, Any]) -> str:
    import time

    from gimmal.base.display import displayable
    from gimmal.base.moments import clock_text

    if not relay["connected"]:
        return f"not connected: {displayable(relay['failure'] or 'not tried yet')}"
    way = " by websocket" if relay.get("by") == "websocket" else ""
    if relay.get("proxy"):
        way += f" through the proxy {displayable(relay['proxy'])}"
    if relay["peer_present"]:
        return f"connected{way}, the other side is there"
    seen = relay["last_seen"]
    if not seen:
        return f"connected{way}, the other side was never seen there"
    return f"connected{way}, the other side was last seen {clock_text(seen, time.time())}"
