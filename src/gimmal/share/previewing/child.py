"""The process that reads one file, its standard input, with a decoder: it limits and confines itself first.

Run by ``children.py`` as ``python -I -m gimmal.share.previewing.child``, never imported by the rest of gimmal:

    PARENT MEMORY SECONDS picture EDGE BYTES    a JPEG on standard output, no larger than that
    PARENT MEMORY SECONDS run PROGRAM ...       become PROGRAM

PARENT is the process that must live, MEMORY bytes of address space, SECONDS of processor time. Ends with UNSUPPORTED
where nothing can be made of the file, with UNCONFINED where this computer cannot confine it; nothing was read then.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import sys
from collections.abc import Iterable
from typing import NoReturn

from gimmal.base.confinement import confine, end_with_parent

UNSUPPORTED, UNCONFINED = 3, 4

NICE = 5
"""How far it stands back behind other programs: somebody waits for it, and others do at this computer."""

PIXELS_MAX = 64_000_000
"""Pixels of a picture that is looked at; JPEG files beyond are read at a fraction of their size."""

QUALITIES = (80, 60, 40, 20)
"""Of JPEG, tried in this order until the picture is small enough."""

BACKGROUND = (255, 255, 255)
"""What shines through a picture that is transparent."""

KINDS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
"""Of pictures that are read, as Pillow calls them."""

DESCRIPTORS_MAX = 64

_OF_PROGRAMS = ("/usr", "/lib", "/lib64", "/bin", "/nix/store", "/gnu/store", "/etc/ld.so.cache", "/dev/null")
"""What a program and its libraries are read from, besides its own folder."""


def main(words: list[str]) -> int:
    """Do what the words say; returns the exit code."""
    parent, memory, seconds = (int(word) for word in words[:3])
    end_with_parent(parent)
    os.nice(NICE)
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, DESCRIPTORS_MAX),
    ):
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))
    if words[3] == "run":
        _become(words[4:])
    return _picture(int(words[4]), int(words[5]))


def _become(words: list[str]) -> NoReturn:
    program = os.path.realpath(words[0])
    with contextlib.suppress(OSError):
        confine([0, *_opened((*_OF_PROGRAMS, os.path.dirname(program)))])
        os.execv(program, [os.path.basename(program), *words[1:]])  # noqa: S606 - words of gimmal's own
    os._exit(UNCONFINED)


def _opened(places: Iterable[str]) -> list[int]:
    """A descriptor of each place that is there."""
    return [os.open(place, os.O_PATH | os.O_CLOEXEC) for place in places if os.path.exists(place)]


def _picture(edge: int, bytes_max: int) -> int:
    """Write the picture on standard input to standard output as a JPEG no larger than that."""
    from PIL import Image, ImageFile, ImageOps

    try:
        confine(_opened(sys.path))  # Python and Pillow load modules when they are first needed
    except OSError:
        return UNCONFINED
    Image.MAX_IMAGE_PIXELS = None  # the check below is ours
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with open(0, "rb", closefd=False) as file, Image.open(file, formats=KINDS) as image:
            image.draft("RGB", (2 * edge, 2 * edge))
            if image.width * image.height > PIXELS_MAX:
                return UNSUPPORTED
            image.thumbnail((edge, edge), reducing_gap=2.0)
            upright = ImageOps.exif_transpose(image)
            if "transparency" in upright.info or upright.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
                upright = Image.alpha_composite(
                    Image.new("RGBA", upright.size, (*BACKGROUND, 255)), upright.convert("RGBA")
                )
            plain = Image.new("RGB", upright.size)
            plain.paste(upright.convert("RGB"))
        for quality in QUALITIES:
            made = io.BytesIO()
            plain.save(made, "JPEG", quality=quality, optimize=True)
            if made.tell() <= bytes_max:
                sys.stdout.buffer.write(made.getvalue())
                sys.stdout.buffer.flush()
                return 0
    except Exception:  # noqa: BLE001 - whatever a decoder makes of bytes that anybody may have sent
        return UNSUPPORTED
    return UNSUPPORTED


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
