"""Pages of a tree, the next one on its way while one is worked on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Self

from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.protocol.messages import Page


class PagesAhead:
    """Iterates as ``pages`` does, one page ahead, the first asked for at once. Close it when no more are wanted.

    Args:
        pages: of `Files.tree`.
    """

    def __init__(self, pages: AsyncIterator[Page]) -> None:
        self._pages = pages
        self._tasks = Tasks()
        self._next: asyncio.Task[Page | GimmalError | None] | None = None
        self._ask()

    def _ask(self) -> None:
        self._next = self._tasks.start(self._take(), "page ahead")

    async def _take(self) -> Page | GimmalError | None:
        # Returned, not raised: it belongs to whoever takes the page, if anybody does.
        try:
            return await anext(self._pages, None)
        except GimmalError as error:
            return error

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page:
        if self._next is None:
            raise StopAsyncIteration
        page = await self._next
        self._next = None
        if isinstance(page, GimmalError):
            raise page
        if page is None:
            raise StopAsyncIteration
        self._ask()
        return page

    def tell_next(self, tell: Callable[[Page], None]) -> None:
        """Have somebody told of the next page when it comes, before it is taken."""

        def told(task: asyncio.Task[Page | GimmalError | None]) -> None:
            if not task.cancelled() and task.exception() is None and isinstance(page := task.result(), Page):
                tell(page)

        if self._next is not None:
            self._next.add_done_callback(told)

    async def close(self) -> None:
        """Ask no more."""
        self._next = None
        await self._tasks.close()
