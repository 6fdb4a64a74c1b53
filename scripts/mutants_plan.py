"""Which modules are mutated, and which test files have to notice."""

from __future__ import annotations

from dataclasses import dataclass

_NOISE = (
    "tests/noise/test_states.py",
    "tests/noise/test_noise_vectors.py",
    "tests/noise/test_channel_vectors.py",
    "tests/noise/test_channel.py",
    "tests/noise/test_keys.py",
)
_RECORDS = ("tests/noise/test_records.py", "tests/noise/test_channel_vectors.py")
_LINK = ("tests/noise/test_renewal.py", "tests/noise/test_records.py")
_HALF = (
    "tests/half/test_vectors.py",
    "tests/half/test_reading.py",
)


@dataclass(frozen=True)
class Group:
    """Modules judged together.

    Attributes:
        name: as in the figure.
        bar: percent that must be killed.
        tests: test files by module, quickest first.
    """

    name: str
    bar: int
    tests: dict[str, tuple[str, ...]]


GROUPS = (
    Group(
        "crypto",
        90,
        {
            "base/primitives.py": ("tests/base/test_primitives.py",),
            "noise/channel.py": _NOISE,
            "noise/cipher_state.py": _NOISE,
            "noise/gate.py": (*_NOISE, "tests/noise/test_gate_memory.py"),
            "noise/handshake_state.py": _NOISE,
            "noise/keys.py": _NOISE,
            "noise/patterns.py": _NOISE,
            "noise/renewal.py": _LINK,
            "noise/suite.py": _NOISE,
            "noise/symmetric_state.py": _NOISE,
            "half/password.py": _HALF,
        },
    ),
    Group(
        "record",
        90,
        {
            "noise/records.py": _RECORDS,
            "noise/link_cipher.py": _LINK,
            "protocol/codec.py": ("tests/protocol/test_codec.py",),
            "protocol/digest.py": ("tests/protocol/test_digest.py",),
            "protocol/link_order.py": ("tests/protocol/test_link_order.py",),
            "half/format.py": _HALF,
        },
    ),
    Group("disable", 90, {"half/disable_code.py": ("tests/half/test_disable_code.py",)}),
    Group("paths", 100, {"base/paths.py": ("tests/base/test_paths.py",)}),
    Group(
        "walking and display",
        90,
        {
            "base/beneath.py": ("tests/base/test_beneath.py",),
            "base/display.py": ("tests/base/test_display.py",),
        },
    ),
)
