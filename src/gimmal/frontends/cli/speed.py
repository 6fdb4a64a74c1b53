"""``gimmal speed``: how fast each part is that a copy passes, and which is the narrow one."""

from __future__ import annotations

import click

from gimmal.frontends.cli.reaching import Way, reach_options


@click.command("speed")
@click.argument("places", nargs=-1, metavar="[:PATH] [DIR]")
@click.option(
    "--seconds",
    type=click.FloatRange(2, 120),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to measure, about.",
)
@reach_options
def command(places: tuple[str, ...], seconds: float, way: Way, as_json: bool) -> None:
    """Measure this disk, the other side's, both ciphers, and the line by each path; name the narrow part.

    DIR is a folder of this computer, the working directory without one; :PATH a share, folder or file of the other
    side. What is written to measure a disk is seen by nobody and removed in any case.

    \b
    gimmal speed
    gimmal speed :Pictures /media/backup
    """
    from gimmal.base.errors import UsageError
    from gimmal.frontends.cli.reaching import remote_path
    from gimmal.frontends.cli.speed_report import print_speeds
    from gimmal.frontends.cli.speed_run import measure

    there = [place for place in places if place.startswith(":")]
    here = [place for place in places if not place.startswith(":")]
    if len(there) > 1 or len(here) > 1:
        raise UsageError("speed takes one :PATH and one DIR at most", "gimmal speed :SHARE DIR")
    path = remote_path(there[0]) if there else ""
    print_speeds(measure(way, path, here[0] if here else ".", seconds), as_json=as_json)
