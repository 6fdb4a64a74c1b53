"""``gimmal relay``: run a relay server."""

from __future__ import annotations

from pathlib import Path

import click

from gimmal.base.errors import UsageError


@click.command("relay")
@click.option("--listen", required=True, metavar="HOST:PORT", help="Address to listen on; port 0 takes a free one.")
@click.option(
    "--state",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the relay's key and ledger; made if absent.",
)
@click.option("--name", metavar="HOST[:PORT]", help="Host name for the URL, where it differs from the address.")
@click.option(
    "--certificate",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="PEM chain of a web certificate for NAME, instead of the relay's own pinned key.",
)
@click.option(
    "--certificate-key",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="PEM key of that certificate.",
)
@click.option(
    "--behind",
    metavar="ADDRESS",
    multiple=True,
    help="Address of a reverse proxy before this relay; it is believed for whom it asks.",
)
@click.option("--json", "as_json", is_flag=True, help="Log to stderr as one JSON object a line.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is worth a line in the log.",
)
def command(
    listen: str,
    state: Path,
    name: str | None,
    certificate: Path | None,
    certificate_key: Path | None,
    behind: tuple[str, ...],
    as_json: bool,
    log_level: str,
) -> None:
    """Run a relay: it joins the two sides of a pair where no direct way exists, and sees only ciphertext.

    Prints "relay: URL" when it is ready; give that URL to "gimmal pair --relay". Stops cleanly on SIGTERM and SIGINT.
    """
    if (certificate is None) != (certificate_key is None):
        raise UsageError("a certificate needs its key", "give both --certificate and --certificate-key, or neither")
    from gimmal.relay.run import RelayOptions, run_relay

    files = (certificate, certificate_key) if certificate and certificate_key else None
    run_relay(RelayOptions(listen, state, name, files, behind, as_json, log_level))
