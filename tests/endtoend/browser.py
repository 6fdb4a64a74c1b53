"""Chromium without a window, driven over its own protocol: what a page shows and does is asked of it."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.endtoend.world import until
from tests.patience import PATIENCE

_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
)


class Browser:
    """One page."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire
        self._numbers = itertools.count(1)
        self.session: str | None = None

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Have something done; its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": arguments}
        if self.session is not None:
            message["sessionId"] = self.session
        self._wire.send(json.dumps(message))
        while True:
            answer = json.loads(self._wire.recv(timeout=PATIENCE))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str) -> None:
        """Go to a page; returns at once."""
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, awaited where it is a promise."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with an empty page and a profile of its own."""
    program = shutil.which("chromium")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="gm-browser-", dir="/tmp", ignore_cleanup_errors=True) as profile:
        words = [program, *_QUIET, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            with connect(_debugger(Path(profile), process), max_size=None, open_timeout=PATIENCE) as wire:
                browser = Browser(wire)
                (page,) = (
                    target for target in browser.call("Target.getTargets")["targetInfos"] if target["type"] == "page"
                )
                attached = browser.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
                browser.session = attached["sessionId"]
                yield browser
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _debugger(profile: Path, process: subprocess.Popen[bytes]) -> str:
    port = profile / "DevToolsActivePort"
    until(lambda: process.poll() is not None or (port.exists() and port.read_text().count("\n")), "chromium answers")
    assert process.poll() is None, "chromium ended at once"
    number, path = port.read_text().split("\n")[:2]
    return f"ws://127.0.0.1:{number}{path}"
