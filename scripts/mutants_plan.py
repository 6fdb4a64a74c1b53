"""Which modules are mutated, and which test files have to notice."""

from __future__ import annotations

from dataclasses import dataclass

_NOISE = (
    "tests/noise/test_states.py",
    "tests/noise/test_handshake_rules.py",
    "tests/noise/test_noise_vectors.py",
    "tests/noise/test_channel_vectors.py",
    "tests/noise/test_channel.py",
    "tests/noise/test_keys.py",
)
_RECORDS = ("tests/noise/test_records.py", "tests/noise/test_channel_vectors.py")
_SLOW_RENEWALS = (
    "--deselect=tests/noise/test_renewal.py::TestRefusals::test_every_flipped_bit_of_the_noise_messages",
    "--deselect=tests/noise/test_renewal.py::TestInterleavings",
)
_RENEWAL = ("tests/noise/test_renewal_steps.py", "tests/noise/test_renewal.py", *_SLOW_RENEWALS)
_LINK = (
    "tests/noise/test_link_cipher.py",
    *_RENEWAL,
    "tests/noise/test_records.py::TestRefusals",
    "tests/noise/test_records.py::TestLayout",
)


@dataclass(frozen=True)
class Group:
    """Modules judged together.

    Attributes:
        name: as in the figure.
        bar: percent that must be killed.
        tests: by module what pytest is told, quickest tests first; counts that take long are left out.
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
            "noise/renewal.py": _RENEWAL,
            "noise/suite.py": _NOISE,
            "noise/symmetric_state.py": _NOISE,
            "half/password.py": (
                "tests/half/test_password.py",
                "tests/half/test_vectors.py::test_rule_for_new_passwords",
            ),
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
            "half/format.py": ("tests/half/test_format.py",),
        },
    ),
    Group("disable", 90, {"half/disable_code.py": ("tests/half/test_disable_code.py",)}),
    Group(
        "paths",
        100,
        {
            "base/paths.py": ("tests/base/test_paths.py",),
            "base/beneath.py": ("tests/base/test_beneath.py",),
        },
    ),
    Group("display", 90, {"base/display.py": ("tests/base/test_display.py",)}),
)
