"""What ffmpeg is told: never a name, never a network, and the sound of all parts on one grid."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gimmal.protocol.film_messages import FilmPart
from gimmal.protocol.limits import FILM_MICROSECONDS_MAX, FILM_PART_MICROSECONDS_MAX
from gimmal.protocol.messages import Version
from gimmal.share.previewing.film_words import SOUND_FRAME, SOUND_RATE, about_words, cut_words, part_words, text_words

PATH = "share/secret name"


@given(
    st.integers(0, FILM_MICROSECONDS_MAX - 1),
    st.integers(1, FILM_PART_MICROSECONDS_MAX),
    st.sampled_from([0, 240, 1080]),
)
def test_a_part(start: int, length: int, height: int) -> None:
    words = part_words("mov", FilmPart(PATH, Version(1, 2, 3), start, start + length, height, 100_000))
    assert words.count("-i") == words.count("file:/dev/fd/0") == words.count("-protocol_whitelist") == 2
    assert not any("secret" in word or "://" in word for word in words)
    assert words[-1] == "pipe:1"
    sound = words[words.index("-af") + 1]
    first = int(sound.rpartition("first_pts=")[2])
    assert first % SOUND_FRAME == 0
    assert first / SOUND_RATE <= start / 1e6
    # At least one frame before the part, for the first one in it to lean on, unless the film begins there.
    assert first == 0 or start / 1e6 - first / SOUND_RATE > SOUND_FRAME / SOUND_RATE
    assert ("copy" in words) == (height == 0)


def test_other_words() -> None:
    for words in (about_words("mov"), cut_words("mov", range(0, 9, 4)), text_words("mov", 3)):
        assert words.count("file:/dev/fd/0") == words.count("-protocol_whitelist") == 1
        assert words[words.index("-f") + 1] == "mov"
    assert "0%+#1,4%+#1,8%+#1" in cut_words("mov", range(0, 9, 4))
    assert "0:s:3" in text_words("mov", 3)
