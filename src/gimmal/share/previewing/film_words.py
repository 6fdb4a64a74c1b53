"""How ffmpeg and ffprobe are told what to make; pure."""

from __future__ import annotations

from gimmal.protocol.film_messages import FilmPart
from gimmal.share.previewing.sources import FILE, INPUT

OFFSET_SECONDS = 10
"""Added to all times of a part: pictures are packed before they are shown, and no time is below 0."""

SOUND_RATE, SOUND_FRAME = 48_000, 1024
"""Samples a second, and of a frame of AAC."""

_LEAD, _TRAIL, _ENTER = 300_000, 2_000_000, 1_000
"""Microseconds: of sound that the first frame needs, read behind a part, and sought past the beginning of one."""

_QUIET = ("-nostdin", "-v", "quiet")


def part_words(kind: str, part: FilmPart) -> list[str]:
    """The words for ffmpeg that make a part, with something around it, as a transport stream.

    The sound is packed anew in frames that lie on one grid for all parts, multiples of SOUND_FRAME samples from the
    beginning of the film, each with what it needs of the frame before. So parts that are cut at frames follow each
    other without a gap.
    """
    first = max(0, (part.start - _LEAD + 100_000) * SOUND_RATE // 1_000_000 // SOUND_FRAME * SOUND_FRAME)
    length = _seconds(part.end - part.start + _TRAIL)
    if part.height:
        enter = ["-ss", _seconds(part.start)]
        inside = f"gte(t*1000000+1\\,{part.start})*lt(t*1000000+1\\,{part.end})"
        pictures = [
            *("-vf", f"select={inside},scale=-2:'min({part.height},trunc(ih/2)*2)'"),
            *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p", "-bf", "0"),
            *("-enc_time_base", "1:90000"),  # of a frame rate it would round the times
            *("-crf", "23", "-maxrate", str(part.rate), "-bufsize", str(2 * part.rate), "-threads", "2"),
        ]
    else:
        enter = ["-noaccurate_seek", "-ss", _seconds(part.start + _ENTER)]
        pictures = ["-c:v", "copy"]
    sound = (
        f"aresample={SOUND_RATE},aformat=channel_layouts=stereo:sample_rates={SOUND_RATE},"
        f"aresample=async=1:min_hard_comp=0.05:first_pts={first}"
    )
    source = ("-threads", "2", "-t", length, *INPUT, "-f", kind, "-i", FILE)
    return [
        *(*_QUIET, "-copyts", "-start_at_zero"),
        *(*enter, *source),
        *("-ss", _seconds(max(0, part.start - _LEAD)), *source),
        *("-map", "0:V:0", "-map", "1:a:0?", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
        *pictures,
        *("-af", sound, "-c:a", "aac", "-b:a", "128k"),
        *("-muxdelay", "0", "-muxpreload", "0", "-avoid_negative_ts", "disabled", "-pes_payload_size", "0"),
        *("-output_ts_offset", str(OFFSET_SECONDS), "-fflags", "+bitexact", "-f", "mpegts", "pipe:1"),
    ]


def text_words(kind: str, number: int) -> list[str]:
    """The words for ffmpeg that take subtitles out of a film."""
    return [
        *(*_QUIET, *INPUT, "-f", kind, "-i", FILE, "-map", f"0:s:{number}", "-map_metadata", "-1"),
        *("-c:s", "webvtt", "-f", "webvtt", "pipe:1"),
    ]


def about_words(kind: str) -> list[str]:
    """The words for ffprobe that say what a film holds."""
    return ["-v", "quiet", *INPUT, "-show_format", "-show_streams", "-of", "json", "-f", kind, FILE]


def cut_words(kind: str, places: range) -> list[str]:
    """The words for ffprobe that find, for each place (in seconds), the picture before it that needs no other."""
    intervals = ",".join(f"{place}%+#1" for place in places)
    return [
        *("-v", "quiet", *INPUT, "-select_streams", "V:0", "-read_intervals", intervals),
        *("-show_entries", "packet=pts_time,flags", "-of", "json", "-f", kind, FILE),
    ]


def _seconds(microseconds: int) -> str:
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06}"
