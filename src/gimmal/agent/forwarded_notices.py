"""A command's streams of notices, passed on by the agent: each has one of its own in the session with the other side.

Bodies pass as they are, so counts of bytes mean the same on both ways; only the numbers of streams differ.
"""

from __future__ import annotations

from msgspec.structs import replace

from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Answer, Done, Failed, List, OpenNotices, Unwatch, Watch
from gimmal.transport.exchange import AnswerSink, Incoming
from gimmal.transport.link import Link
from gimmal.transport.pushed import PushedStreams, Pushing, Receiving
from gimmal.transport.session import Session

NOTICES = (OpenNotices, Watch, Unwatch)


class ForwardedNotices:
    """The streams of one command.

    Args:
        session: with the other side.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._receiving: dict[int, Receiving] = {}
        self.streams: PushedStreams | None = None
        """Of the session with the command; without them nothing is watched."""

    async def handle(self, incoming: Incoming) -> Answer:
        """Answer a request of NOTICES.

        Raises:
            GimmalError: why there is no answer.
        """
        request = incoming.request
        if isinstance(request, OpenNotices):
            return await self._open(incoming, request)
        assert isinstance(request, Watch | Unwatch)
        number = self._number(request.stream)
        if not number:
            return Failed(Code.INVALID)
        return await self._session.call(replace(request, stream=number), deadline=None)

    def listed(self, request: List) -> List:
        """A List as it is asked of the other side: its watch is of the stream there."""
        return replace(request, watch=self._number(request.watch)) if request.watch else request

    def leave(self) -> None:
        """The command has gone."""
        self.streams = None
        for receiving in list(self._receiving.values()):
            receiving.close()
        self._receiving.clear()

    async def _open(self, incoming: Incoming, request: OpenNotices) -> Answer:
        if self.streams is None:
            return Failed(Code.UNSUPPORTED)
        number = incoming.number
        pushing = self.streams.open(incoming.link, number, request.credit)

        async def sent(link: Link, there: int) -> None:
            self._receiving[number] = self._session.streams.expect(
                link, there, request.credit, lambda body: _pass_on(pushing, body), pushing.end
            )

        try:
            sink = await self._session.exchange(request, AnswerSink, send_more=sent, deadline=None)
        except BaseException:
            if (receiving := self._receiving.pop(number, None)) is not None:
                receiving.close()
            pushing.lose()
            raise
        assert sink.answer is not None
        receiving = self._receiving.get(number)
        if receiving is None:  # the command has gone
            pushing.lose()
            return Failed(Code.UNSUPPORTED)
        if not isinstance(sink.answer, Done) or pushing.over:
            del self._receiving[number]
            receiving.close()
            pushing.lose()
            return sink.answer

        def over() -> None:
            self._receiving.pop(number, None)
            receiving.close()

        pushing.on_over = over
        pushing.on_grant = receiving.grant
        return sink.answer

    def _number(self, stream: int) -> int:
        receiving = self._receiving.get(stream)
        return 0 if receiving is None or receiving.over else receiving.number


def _pass_on(pushing: Pushing, body: memoryview) -> None:
    # What the other side was granted is what the command granted, so there is room.
    pushing.push(body)
