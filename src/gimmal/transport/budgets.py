"""What the sessions of one program may hold together, beside the limits of each.

Why, and what it adds up to: docs/decisions/0063-budgets-of-an-agent.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gimmal.base.fair_budget import FairBudget, FairShare

_MIB = 1 << 20


@dataclass(frozen=True)
class Budgets:
    """Of one program; each session takes its shares of them with `share`."""

    buffers: FairBudget = field(default_factory=lambda: FairBudget(64, 2))
    """Record buffers of streamed requests that wait to be worked on."""
    requests: FairBudget = field(default_factory=lambda: FairBudget(16 * _MIB, _MIB))
    """Bytes of all other requests that are worked on."""
    waiting: FairBudget = field(default_factory=lambda: FairBudget(16 * _MIB, _MIB))
    """Bytes of answers that wait for their links."""
    remembered: FairBudget = field(default_factory=lambda: FairBudget(64 * _MIB, _MIB // 4))
    """Bytes of answers that are remembered."""
    links: FairBudget = field(default_factory=lambda: FairBudget(64, 1))
    """Links: each has a buffer to receive and may have bulk to send."""

    def share(self) -> Shares:
        """The shares of a new session."""
        budgets = (self.buffers, self.requests, self.waiting, self.remembered, self.links)
        return Shares(*(budget.share() for budget in budgets))


@dataclass(frozen=True)
class Shares:
    """What one session has of each of the `Budgets`."""

    buffers: FairShare
    requests: FairShare
    waiting: FairShare
    remembered: FairShare
    links: FairShare

    def remember(self, more: int) -> bool:
        """See protocol.session.Answering."""
        if more <= 0:
            self.remembered.give(-more)
            return True
        return self.remembered.try_take(more)

    def give_all(self) -> None:
        """The session is over."""
        for share in (self.buffers, self.requests, self.waiting, self.remembered, self.links):
            share.give_all()
