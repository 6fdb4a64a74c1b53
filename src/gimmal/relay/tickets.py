"""Tickets: one for each leg of each link, single use, short lived (docs/spec/relay.md, section 7). No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gimmal.base.side import Side

LegT = TypeVar("LegT")


@dataclass(slots=True, eq=False)
class WaitingLink(Generic[LegT]):
    """A link that still waits for a leg.

    Args:
        pair_id: whose it is.
        answers: the side that was offered it.
        answerer: that side's ticket.
        tickets: those not used yet.
        expires: monotonic second at which the tickets are void.
        legs: the legs that came.
        hopeless: the side that was offered it has gone; a leg that still comes is closed.
    """

    pair_id: bytes
    answers: Side
    answerer: bytes = field(repr=False)
    tickets: list[bytes] = field(repr=False)
    expires: float
    legs: list[LegT] = field(default_factory=list)
    hopeless: bool = False


class TicketOffice(Generic[LegT]):
    """Draws links, takes tickets back, counts the links of each pair.

    Args:
        links_per_pair: waiting and joined.
        seconds: life of a ticket.
    """

    def __init__(self, links_per_pair: int, seconds: float) -> None:
        self._links_per_pair = links_per_pair
        self._seconds = seconds
        self._by_ticket: dict[bytes, WaitingLink[LegT]] = {}
        self._waiting: dict[WaitingLink[LegT], None] = {}
        self._links: Counter[bytes] = Counter()
        self._used: dict[bytes, float] = {}
        """Tickets of late, and when they are forgotten; in that order."""

    def __len__(self) -> int:
        return len(self._waiting)

    def links(self, pair_id: bytes) -> int:
        """Links of a pair, waiting and joined."""
        return self._links.get(pair_id, 0)

    def issue(self, pair_id: bytes, answers: Side, asker: bytes, answerer: bytes, now: float) -> bool:
        """Open a link to the side that answers, with its two tickets; False at the pair's limit."""
        if self.links(pair_id) >= self._links_per_pair:
            return False
        link = WaitingLink[LegT](pair_id, answers, answerer, [asker, answerer], now + self._seconds)
        self._by_ticket[asker] = link
        self._by_ticket[answerer] = link
        self._waiting[link] = None
        self._links[pair_id] += 1
        return True

    def redeem(self, ticket: bytes, leg: LegT, now: float) -> WaitingLink[LegT] | None:
        """Use a ticket up.

        Returns:
            The link with `leg` added, None if the ticket is unknown, used or void. When both legs are there the
            link no longer waits; it counts until ``release``. To a hopeless link no leg is added.
        """
        link = self._by_ticket.get(ticket)
        if link is None or now >= link.expires:
            return None
        if link.hopeless:
            return link
        del self._by_ticket[ticket]
        self._used[ticket] = now + self._seconds
        link.tickets.remove(ticket)
        link.legs.append(leg)
        if not link.tickets:
            del self._waiting[link]
        return link

    def was_used(self, ticket: bytes, now: float) -> bool:
        """Whether a ticket was good and used of late: who shows it again only did not know that it had come."""
        return now < self._used.get(ticket, now)

    def release(self, pair_id: bytes) -> None:
        """A joined link of the pair has ended."""
        self._links[pair_id] -= 1
        if self._links[pair_id] <= 0:
            del self._links[pair_id]

    def expire(self, now: float) -> list[WaitingLink[LegT]]:
        """Void what is due; the legs of the links returned are the caller's to close."""
        expired = []
        # Issued in order with one lifetime: the first that is not due ends the search.
        for link in self._waiting:
            if now < link.expires:
                break
            expired.append(link)
        for link in expired:
            self._drop(link)
        while self._used:
            ticket, forgotten = next(iter(self._used.items()))
            if now < forgotten:
                break
            del self._used[ticket]
        return expired

    def give_up(self, pair_id: bytes, answers: Side) -> list[LegT]:
        """A side's answerer has gone: links that it was offered and has not come for are hopeless.

        Their tickets stay until they expire, for an asker who comes with one of them has done nothing wrong.

        Returns:
            The legs that waited for it, the caller's to close.
        """
        legs: list[LegT] = []
        for link in self._waiting:
            if link.pair_id == pair_id and link.answers is answers and link.answerer in link.tickets:
                link.hopeless = True
                legs += link.legs
                link.legs.clear()
        return legs

    def _drop(self, link: WaitingLink[LegT]) -> None:
        del self._waiting[link]
        for ticket in link.tickets:
            del self._by_ticket[ticket]
        link.tickets.clear()
        self.release(link.pair_id)
