"""Numbers of protocol version 1 (docs/spec/protocol.md); changing one is a new version."""

from __future__ import annotations

PROTOCOL_VERSION = 1

BODY_MAX = 1 << 20
"""Bytes of body a record may carry."""

BLOCK_SIZE = 4 << 20
"""Bytes of a block: the unit of digests, of ranges asked for, and of resuming."""

DIGEST_SIZE = 32
"""Bytes of a BLAKE3 digest."""

BUNDLE_CONTENT_MAX = 960 * 1024
"""Bytes of file contents in one bundle; the rest of the record is for its header."""

BUNDLE_ITEMS_MAX = 1024
"""Files in one bundle."""

PAGE_BYTES_MAX = 768 * 1024
"""Encoded bytes after which a listing page or tree part is closed."""

PAGE_ITEMS_MAX = 1 << 16
"""Entries, and failures, in one listing page or tree part; its bytes run out long before."""

PACKED_WINDOW_LOG_MAX = 20
"""Power of two of the bytes that a frame may look back on: as many as a record holds, unpacked."""

REMOVE_MANY_MAX = 1024
"""Paths in one RemoveMany, MakeDirectories or SetAttributes request."""

TRASH_ITEMS_MAX = 1024
"""Paths in one Trash request, names in one RestoreTrash or EmptyTrash, entries in one TrashPage."""

SPARSE_SIZE_MAX = 1 << 44
"""Bytes of the largest file that is copied with its holes; a larger one must be written out."""

EXTENTS_MAX = 8192
"""Stretches of data in one Examined and one OpenPart."""

HOLE_MIN = 64 * 1024
"""Bytes that a stream of a sparse block may leave out at once, at least."""

CHUNKS_PAGE_MAX = 8192
"""Chunks in one answer to ListChunks."""

CHUNKS_PAGE_BYTES = 128 << 20
"""Bytes of a file after which an answer to ListChunks is closed."""

CHUNK_DIGEST_SIZE = 8
"""Bytes of a chunk's digest that travel: a hint, for whole blocks are verified."""

REUSED_MAX = 512
"""Stretches of the old version in one Write."""

EDIT_DATA_MAX = 960 * 1024
"""Bytes of contents in one WriteEdit, QuickEdit or EditRead; the rest of the record is for what stands around them."""

EDIT_RANGES_MAX = 1024
"""Stretches that one WriteEdit or QuickEdit writes."""

EDITS_MAX = 64
"""Edits one session may hold open on the answering side."""

XATTRS_MAX = 64
"""Extended attributes of one file or folder."""

XATTR_BYTES_MAX = 64 * 1024
"""Bytes of all their names and values together."""

DIGEST_BLOCKS_MAX = 64
"""Blocks that one DigestBlocks reads again."""

DIGEST_FILES_MAX = 1024
"""Files in one DigestFiles."""

DIGEST_FILES_BYTES_MAX = 64 << 20
"""Bytes of contents that one DigestFiles reads again; files beyond are answered TOO_LARGE."""

MEASURE_MAX = 256 << 20
"""Bytes of one Measure."""

PUNCH_PLACES_MAX = 8
"""Places in one Punch or PunchPlaces."""

NOTICE_STREAMS_MAX = 16
"""Streams of notices that one session may have open on the answering side."""

NOTICES_BYTES_MAX = 64 << 10
"""Bytes of the body of one NOTICES, and the least that is granted when a stream of them is opened."""

NOTICES_CREDIT_MAX = 1 << 20
"""Bytes of notices that may be granted and not have come."""

NOTICES_ITEMS_MAX = 4096
"""Changes in one NOTICES."""

WATCHES_MAX = 16_384
"""Folders that one stream of notices may have granted at a time."""

WATCH_ITEMS_MAX = 1024
"""Paths of a Watch, watches of an Unwatch."""

PICTURE_EDGE_MIN, PICTURE_EDGE_MAX = 16, 512
"""Pixels of the longer side of a small picture."""

PICTURE_BYTES_MAX = 128 << 10
"""Bytes of a small picture."""

FILM_MICROSECONDS_MAX = 24 * 3600 * 1_000_000
"""Of the longest film that is played in parts."""

FILM_PART_MICROSECONDS_MAX = 20_000_000
"""Of one part of a film."""

FILM_PART_MAX = 16 << 20
"""Bytes of one part of a film."""

FILM_TEXT_MAX = 4 << 20
"""Bytes of the subtitles in a film, of one language."""

FILM_BYTES_MAX = 128 << 10
"""Bytes that one question for a part or for subtitles brings."""

FILM_CUTS_MAX, FILM_TEXTS_MAX = 8192, 32
"""Places to cut, and subtitles, of which a Film tells."""

FILM_HEIGHT_MAX = 2160
"""Pixels of the pictures of a part."""

FILM_RATE_MIN, FILM_RATE_MAX = 64_000, 40_000_000
"""Bits a second that pictures may be asked to take."""

COMPUTER_NAME_MAX = 64
"""Characters of the name of a computer."""

LINK_TARGET_MAX = 4095
"""Bytes of a symbolic link's text on the disk."""

LINKS_MAX = 16
"""Links one session may have at a time."""

REQUESTS_MAX = 1024
"""Requests of one side that may be unsettled at a time in one session."""

REMEMBERED_MAX = 1 << 16
"""How many requests of one side a new one may be ahead of that side's settled mark."""

REMEMBERED_BYTES_MAX = 32 << 20
"""Bytes of answers to changing requests that one session remembers."""

WRITES_MAX = 32
"""Write and bundle streams of one side that may be open at a time in one session."""

CURSORS_MAX = 64
"""Listing cursors one session may hold on the answering side."""

PARTS_MAX = 64
"""Part files one session may hold open on the answering side."""

PART_BLOCKS_MAX = 24_576
"""Block digests in one PartOpened (96 GiB of file); more are asked for with ``OpenPart.first``."""

SESSION_KEPT_SECONDS = 300.0
"""How long a session without links is kept."""

PING_SECONDS = 15.0
"""Silence on a link after which a side sends PING."""

SILENCE_SECONDS = 45.0
"""Silence on a link after which it counts as lost."""

CALL_SECONDS = 10.0
"""Deadline of a call: one question, one answer."""

FILE_SIZE_MAX = (1 << 63) - 1
"""Largest size or offset a message may name."""
