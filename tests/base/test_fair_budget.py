"""A budget that nobody can take all of: whoever comes finds as much as any other has."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.fair_budget import FairBudget, FairShare
from tests.patience import PATIENCE


def fill(share: FairShare, size: int = 1) -> int:
    while share.try_take(size):
        pass
    return share.held


def test_one_alone_gets_half_and_whoever_comes_as_much_as_is_left_to_others() -> None:
    budget = FairBudget(120, 0)
    assert [fill(budget.share()) for _ in range(3)] == [60, 30, 15]


def test_those_who_take_in_turn_get_the_same() -> None:
    budget = FairBudget(120, 0)
    shares = [budget.share() for _ in range(3)]
    took = True
    while took:
        took = False
        for share in shares:
            took |= share.try_take(1)
    assert [share.held for share in shares] == [30, 30, 30]


def test_however_many_are_full_each_has_its_reserve() -> None:
    budget = FairBudget(100, 3)
    for _ in range(50):
        assert fill(budget.share()) >= 3
    assert budget.taken <= 100


def test_what_is_given_back_is_there_again() -> None:
    budget = FairBudget(100, 5)
    hostile, other = budget.share(), budget.share()
    fill(hostile)
    before = fill(other)
    hostile.give_all()
    assert (hostile.held, fill(other) > before) == (0, True)
    hostile.take(1)
    assert not hostile.try_take(1)
    assert hostile.held == 0, "who is over holds nothing again"
    other.give_all()
    assert budget.taken == 0


@given(
    st.integers(0, 200),
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(0, 5), st.integers(-30, 30)), max_size=200),
)
def test_no_order_of_taking_and_giving_passes_the_bound(total: int, reserve: int, steps: list[tuple[int, int]]) -> None:
    budget = FairBudget(total, reserve)
    shares = [budget.share() for _ in range(6)]
    for index, size in steps:
        if size >= 0:
            shares[index].try_take(size)
        else:
            shares[index].give(min(-size, shares[index].held))
        assert 0 <= budget.taken == sum(max(0, share.held - reserve) for share in shares) <= total
        for share in shares:
            assert share.held >= reserve or share.may_take(reserve - share.held)


def test_who_waits_is_served_when_it_may_be_and_a_full_one_holds_up_no_other() -> None:
    async def main() -> None:
        budget = FairBudget(100, 10)
        hostile, good = budget.share(), budget.share()
        fill(hostile)
        order: list[str] = []

        async def work(share: FairShare, size: int, name: str) -> None:
            async with share.lent(size):
                order.append(name)

        blocked = asyncio.create_task(work(hostile, 10, "hostile"))
        await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            await work(good, 10, "good")
            assert order == ["good"]
            given = asyncio.create_task(work(good, 40, "large"))
            await asyncio.sleep(0)
            cancelled = asyncio.create_task(work(good, 40, "cancelled"))
            await asyncio.sleep(0)
            cancelled.cancel()
            hostile.give(hostile.held)
            budget.wake()
            await asyncio.gather(blocked, given)
        assert sorted(order) == ["good", "hostile", "large"]
        assert budget.taken == 0
        assert good.held == hostile.held == 0

    asyncio.run(main())


def test_more_than_there_ever_is_is_lent_as_all_there_may_be() -> None:
    async def main() -> None:
        share = FairBudget(10, 2).share()
        async with asyncio.timeout(PATIENCE), share.lent(1000):
            assert share.held == 7

    asyncio.run(main())
