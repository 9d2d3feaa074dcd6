"""MP4 files that announce more than they hold.

Such a file has tables of its samples (ISO/IEC 14496-12, section 8.7), and one may say in twelve bytes that there are a
billion. FFmpeg makes room for all of them before it reads the first: 600 bytes cost gigabytes. So what is announced is added
up before FFmpeg sees it.
"""

import re
from collections.abc import Iterator
from struct import Struct

import numpy as np

MOST_SAMPLES = 8_000_000
"""That a file may announce; four hours in frames of 2 ms are fewer. Each of them costs 24 bytes."""

_MOST_IN_CHUNKS = 64 * MOST_SAMPLES
"""Likewise of uncompressed sound, of which FFmpeg takes 160 samples or more for one."""

_MOST_TABLES = 100_000
"""In one file; a live recording has one for each second or two."""

_MOST_STREAMS = 64

_TABLES = re.compile(rb"stsz|stz2|trun|stsc|stco|co64|cmov")
_COUNT_AT = {b"stsz": 12, b"stz2": 12}
"""Bytes from a table's name to the number of its entries."""
_ELSE_AT = 8

_HEAD = Struct(">I4s")
_LARGE = Struct(">Q")
_COUNT = Struct(">I")
_LARGE_FOLLOWS = 1
_COLUMNS, _PER_CHUNK = 3, 1


def is_mp4(data: bytes) -> bool:
    """Whether a file says that it is MP4, or of its family."""
    return data[4:8] == b"ftyp"


def announces_too_much(data: bytes) -> bool:
    """Whether FFmpeg would need too much room for the tables of an MP4 file."""
    samples = chunks = in_chunk = streams = 0
    for number, (name, at) in enumerate(_tables(data), 1):
        count = _COUNT.unpack_from(data, at)[0]
        if name == b"stsc":
            streams += 1
            in_chunk = max(in_chunk, _most_in_chunk(data, at + _COUNT.size, count))
        elif name in (b"stco", b"co64"):
            chunks += count
        else:
            samples += count
        # A table of compressed tables ("cmov") has not been written in this century.
        if name == b"cmov" or number > _MOST_TABLES or streams > _MOST_STREAMS:
            return True
    return samples > MOST_SAMPLES or chunks * in_chunk > _MOST_IN_CHUNKS


def _tables(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Each table's name, and where it says how many entries it has."""
    for start, end in _outside_of_media(data):
        for found in _TABLES.finditer(data, start, end):
            name, at = found[0], found.start()
            large = data[at - _COUNT.size : at] == _COUNT.pack(_LARGE_FOLLOWS)
            at += _COUNT_AT.get(name, _ELSE_AT) + (_LARGE.size if large else 0)
            if at + _COUNT.size <= len(data):
                yield name, at


def _outside_of_media(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the boxes are that do not hold the sound itself, in which anything may stand by chance."""
    at = 0
    while at + _HEAD.size <= len(data):
        size, name = _HEAD.unpack_from(data, at)
        if size == _LARGE_FOLLOWS and at + _HEAD.size + _LARGE.size <= len(data):
            size = _LARGE.unpack_from(data, at + _HEAD.size)[0]
        # The last one need not say where it ends. What is shorter than its own head is none.
        end = min(len(data), at + size) if size >= _HEAD.size else len(data)
        if name != b"mdat" or 0 < size < _HEAD.size:
            yield at, end
        at = end


def _most_in_chunk(data: bytes, start: int, count: int) -> int:
    """Samples of the largest chunk, by a table whose entries begin at ``start``."""
    row = _COLUMNS * _COUNT.size
    rows = min(count, (len(data) - start) // row)
    table = np.frombuffer(data, ">u4", rows * _COLUMNS, start)
    return int(table.reshape(-1, _COLUMNS)[:, _PER_CHUNK].max(initial=0))
