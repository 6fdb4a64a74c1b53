"""One file on its way to the other side, whatever its bytes come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gimmal.base.errors import RemoteError
from gimmal.frontends.fsspec.line import Line
from gimmal.frontends.fsspec.paths import parent
from gimmal.protocol.messages import Replace, Version
from gimmal.remote.files import Files
from gimmal.remote.upload import LoadBlock, Upload


async def make_folders(files: Files, folder: str) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        RemoteError: what the other side says.
    """
    (code,) = await files.make_directories([folder], parents=True, exist_ok=True)
    if code:
        raise files.error(code, folder)


class Outgoing:
    """Sends a file and gives it its name, making the folders above where that is wanted.

    Args:
        line: the session.
        path: wire path.
        size: bytes.
        load: brings its blocks.
        replace, expected: what may stand under its name before.
        folders: make missing folders.
        sent: told how many bytes more have arrived.

    Call ``deliver``; or ``send`` and then ``place`` or ``discard``.
    """

    def __init__(
        self,
        line: Line,
        path: str,
        size: int,
        load: LoadBlock,
        *,
        replace: Replace,
        expected: Version | None = None,
        folders: bool,
        sent: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._line = line
        self._path = path
        self._size = size
        self._load = load
        self._replace = replace
        self._expected = expected
        self._folders = folders
        self._sent = sent
        self._upload: Upload | None = None
        self._files: Files | None = None

    async def deliver(self) -> None:
        """Send it and give it its name, durably.

        Raises:
            GimmalError: why that cannot be.
        """
        # Held over both: what waits for its name would take the place of a part file of the next one.
        async with self._line.uploads:
            upload = await self._send()
            await self._where_possible(upload, upload.place)

    async def send(self) -> None:
        """Have all bytes on the other side, without their name yet; of a small file nothing yet.

        Raises:
            GimmalError: why that cannot be.
        """
        async with self._line.uploads:
            await self._send()

    async def place(self) -> None:
        """Give what was sent its name, durably.

        Raises:
            GimmalError: why that cannot be.
        """
        if self._upload is None or self._upload.small or self._files is not await self._line.files():
            await self.deliver()  # over the session that there is now: a part file ends with its own
        else:
            await self._upload.place()

    async def _send(self) -> Upload:
        self._files = await self._line.files()
        self._upload = upload = Upload(
            self._files,
            self._path,
            self._size,
            self._load,
            replace=self._replace,
            expected=self._expected,
            sent=self._sent,
        )
        await self._where_possible(upload, upload.send)
        return upload

    async def discard(self) -> None:
        """Give up what was sent."""
        if self._upload is not None:
            await self._upload.discard()

    async def _where_possible(self, upload: Upload, step: Callable[[], Awaitable[None]]) -> None:
        folders = self._folders and "/" in self._path
        while True:
            try:
                await step()
            except RemoteError as exc:
                if exc.code == "not_found" and folders:
                    folders = False
                    await make_folders(await self._line.files(), parent(self._path))
                elif exc.code == "not_granted" and upload.replace is Replace.ALWAYS:
                    # A share that grants nothing but to drop files into it.
                    upload.replace = Replace.NEVER
                else:
                    raise
            else:
                return
