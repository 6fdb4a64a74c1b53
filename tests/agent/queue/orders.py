"""Orders for tests, plain ones and any at all."""

from __future__ import annotations

from hypothesis import strategies as st

from gimmal.agent.queue.order import CopyOrder, Order, SyncOrder
from gimmal.remote.copy_deciding import CopyOptions, Existing

options = st.builds(
    CopyOptions,
    existing=st.sampled_from(Existing),
    dry_run=st.just(False),
    would=st.none(),
    xattrs=st.booleans(),
    safe_links=st.booleans(),
)
names = st.builds(lambda start, rest: start + rest.replace(b"\0", b"x"), st.sampled_from([b":", b"/"]), st.binary())
rates = st.none() | st.integers(1, 1 << 50)
orders: st.SearchStrategy[Order] = st.one_of(
    st.builds(CopyOrder, st.lists(names, min_size=1, max_size=5), names, st.booleans(), options, rates),
    st.builds(
        SyncOrder, names, names, options, st.lists(st.binary()), st.booleans(), st.booleans(), st.booleans(), rates
    ),
)


def copy_order(*sources: bytes, target: bytes = b":home/target") -> CopyOrder:
    return CopyOrder(list(sources) or [b"/near/source"], target, True, CopyOptions())
