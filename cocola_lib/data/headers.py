"""What containers promise: how many bytes of audio a file says that it holds, against how many there are.

libsndfile quietly shortens a file that was cut off, and quietly believes a header that says nothing. So the header is
asked first. Formats: WAV, RF64 and BW64 (EBU Tech 3306), W64, AIFF, AU, CAF, Ogg (RFC 3533).
"""

import io
import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

UNKNOWN_BYTES = 0x7FFF_F000  # a file written to a pipe carries at least this as the size of its data
SLACK_BYTES = 64  # some writers count a header into the size of the data
MP3_IN_WAV = 0x0055  # wFormatTag
MAX_U32 = 0xFFFF_FFFF
CHUNKS = (b"fmt ", b"data", b"LIST", b"fact", b"bext", b"JUNK", b"junk", b"cue ", b"smpl", b"id3 ", b"ID3 ", b"PEAK")
W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"


@dataclass(frozen=True)
class Header:
    """What the beginning of a file says.

    Attributes:
        promised: bytes of audio; None where it does not say.
        found: bytes from there to the end of the file.
        rate: Hz; None where it was not looked for.
        codec: wFormatTag of a WAV.
        fmt: the chunk of a WAV that describes its samples, where the others have to be made anew: the size of the data
            is 0 with samples behind it, or a chunk lacks its pad byte.
        several: whether the next file begins behind the audio.
    """

    promised: int | None = None
    found: int = 0
    rate: int | None = None
    codec: int | None = None
    fmt: bytes = b""
    several: bool = False

    @property
    def cut_off(self) -> bool:
        """Whether audio that was promised is missing."""
        return self.promised is not None and self.found + SLACK_BYTES < self.promised


def read_header(raw: BinaryIO) -> Header:
    """Read the header of an open file; an empty `Header` where it is of another format."""
    head = raw.read(40)
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _riff(raw)
    if head[:16] == W64_RIFF:
        return _chunks(raw, 40, "<16sQ", b"data", counts_itself=True, align=8)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _chunks(raw, 12, ">4sI", b"SSND", align=2)
    if head[:4] == b"caff":
        return _chunks(raw, 8, ">4sQ", b"data")
    if head[:4] == b".snd":
        start, n = struct.unpack_from(">II", head, 4)
        return Header(None if n >= UNKNOWN_BYTES else n, _size(raw) - start)
    return Header()


def repaired_wav(raw: BinaryIO, header: Header) -> io.BytesIO:
    """A WAV of the chunk `fmt` and the audio alone, for a file whose other chunks are in disorder."""
    raw.seek(_size(raw) - header.found)
    n = header.found if header.promised is None else header.promised
    fmt, data = (kind + struct.pack("<I", length) for kind, length in ((b"fmt ", len(header.fmt)), (b"data", n)))
    head = b"WAVE" + fmt + header.fmt + data
    return io.BytesIO(b"RIFF" + struct.pack("<I", min(len(head) + n, MAX_U32)) + head + raw.read(n))


def _size(raw: BinaryIO) -> int:
    return os.fstat(raw.fileno()).st_size


def _chunks(raw: BinaryIO, at: int, form: str, wanted: bytes, counts_itself: bool = False, align: int = 1) -> Header:
    """Go from chunk to chunk until the one with the audio."""
    size, head = _size(raw), struct.calcsize(form)
    while at + head <= size:
        raw.seek(at)
        kind, length = struct.unpack(form, raw.read(head))
        length -= head if counts_itself else 0
        if kind[:4] == wanted:
            return Header(None if length >= (1 << 62) or length < 0 else length, size - at - head)
        at += head + max(0, length) + -length % align
    return Header()


def _riff(raw: BinaryIO) -> Header:
    """A WAV; one of more than 4 GB has its sizes in the chunk ds64."""
    size, at, fmt, long_size, disorder = _size(raw), 12, b"", None, False
    while at + 8 <= size:
        raw.seek(at)
        kind, length = struct.unpack("<4sI", raw.read(8))
        if kind == b"data":
            break
        if kind == b"fmt ":
            fmt = raw.read(min(length, 64))
        if kind == b"ds64":
            long_size = struct.unpack("<8xQ", raw.read(16).ljust(16, b"\0"))[0]
        at += 8 + length
        raw.seek(at)
        unpadded = length % 2 and raw.read(4) in CHUNKS
        disorder |= bool(unpadded)
        at += length % 2 - unpadded
    codec, rate = struct.unpack_from("<HxxI", fmt) if len(fmt) >= 8 else (None, None)
    if at + 8 > size:
        return Header(rate=rate, codec=codec)
    found = size - at - 8
    promised = long_size if length == MAX_U32 else length
    if (
        promised == 0
        and found > SLACK_BYTES
        or promised is not None
        and long_size is None
        and promised >= UNKNOWN_BYTES
    ):
        disorder, promised = disorder or promised == 0, None
    raw.seek(at + 8 + (promised or 0))
    several = promised is not None and b"RIFF" in raw.read(5)
    return Header(promised, found, rate, codec, fmt if disorder else b"", several)
