"""MP3 files as they are: how many frames they hold, whatever their first frame says, and how late they begin.

An MP3 is a chain of frames, and only a tag in the first one (Xing, Info, VBRI) says how many. Where it is missing, or
counts the first of several files that were joined, decoders guess, and stop too early. So the frames are counted here,
and a tag that says the truth is put before them; libsndfile does the rest.

An encoder begins late: by 1,105 samples with LAME and most others, of which 529 are the decoder's own. LAME writes its
share into the tag. Where nothing is written, its usual 576 samples are taken off.
"""

import io
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

LAME_DELAY, DECODER_DELAY = 576, 529  # samples: the usual share of the encoder, and the decoder's
KBPS = {  # of layer III, by MPEG version: bit rates in the order of their four bits
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz, by version bits
SIDE_BYTES = {(1, 2): 32, (1, 1): 17, (2, 2): 17, (2, 1): 9}  # between header and tag, by (version, channels)
TAG_BYTES = 200  # room for a tag of ours


@dataclass(frozen=True)
class Frames:
    """The frames of an MP3.

    Attributes:
        places: (offset, bytes) of each frame that holds sound.
        header: the first four bytes of the first one.
        stated: frames according to the tag; None without one.
        delay: samples that the encoder begins late, and those it appends, according to the tag; None if it is silent.
        alike: whether all frames have one rate and number of channels.
        torn: whether the file ends inside a frame.
    """

    places: tuple[tuple[int, int], ...]
    header: bytes
    stated: int | None
    delay: tuple[int, int] | None
    alike: bool
    torn: bool

    @property
    def says_all(self) -> bool:
        """Whether the tag counts what is there: some count themselves, some do not."""
        return self.stated is not None and abs(len(self.places) - self.stated) <= 1


@lru_cache(maxsize=64)
def frames_of(path: Path, size: int, changed: int) -> Frames | None:
    """Count the frames of a file of this size and date; None where it holds no frames of layer III."""
    return find_frames(path.read_bytes())


def find_frames(data: bytes) -> Frames | None:
    """Walk from frame to frame, over tags and damage between them."""
    places, kinds, stated, delay, header, at, torn = [], set(), None, None, b"", 0, False
    while 0 <= at < len(data) - 4:
        if skipped := _tag_bytes(data, at):
            at += skipped
            continue
        length = _frame_bytes(data[at : at + 4])
        follows = length and (_frame_bytes(data[at + length : at + length + 4]) or _is_end(data, at + length))
        if not follows or at + length > len(data):
            torn = bool(length and places and at == sum(places[-1]))
            at = data.find(b"\xff", at + 1)
            continue
        frame = data[at : at + length]
        if (found := _read_tag(frame)) is None:
            places.append((at, length))
            header = header or frame[:4]
            kinds.add(_kind(frame))
        elif not places:
            stated, delay = found
        at += length
    return Frames(tuple(places), header, stated, delay, len(kinds) == 1, torn) if places else None


def retagged(path: Path, frames: Frames) -> io.BytesIO:
    """The frames of a file behind a tag that counts them and states their delay, as a file to read."""
    data = path.read_bytes()
    return io.BytesIO(_tag(frames) + b"".join(data[at : at + n] for at, n in frames.places))


def _tag(frames: Frames) -> bytes:
    """A frame without sound that says how many follow."""
    first = bytearray(frames.header)
    first[1] |= 1  # no checksum
    for bits in range(1, 15):  # the smallest bit rate with room enough
        first[2] = bits << 4 | first[2] & 0b1100
        if (length := _frame_bytes(bytes(first))) >= TAG_BYTES:
            break
    version, channels, _ = _kind(first)
    delay, padding = frames.delay or (LAME_DELAY, 0)
    lame = b"LAME3.100" + bytes(12) + (delay << 12 | padding).to_bytes(3, "big") + bytes(12)
    tag = (
        bytes(first) + bytes(SIDE_BYTES[version, channels]) + b"Info" + struct.pack(">II", 1, len(frames.places)) + lame
    )
    return tag.ljust(length, b"\0")


def _read_tag(frame: bytes) -> tuple[int | None, tuple[int, int] | None] | None:
    """What a frame says as a tag: (frames, (delay, padding)); None where it is no tag."""
    version, channels, _ = _kind(frame)
    at = 4 + SIDE_BYTES[version, channels]
    if frame[36:40] == b"VBRI":
        return struct.unpack_from(">I", frame, 50)[0], None
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags = struct.unpack_from(">I", frame, at + 4)[0]
    n = struct.unpack_from(">I", frame, at + 8)[0] if flags & 1 else None
    lame = at + 8 + 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + (flags & 8) // 2
    both = int.from_bytes(frame[lame + 21 : lame + 24], "big") if frame[lame : lame + 4].isalnum() else 0
    return n, (both >> 12, both & 0xFFF) if both else None


def _kind(frame: bytes) -> tuple[int, int, int]:
    """MPEG version (1, or 2 for 2 and 2.5), channels, Hz."""
    version = frame[1] >> 3 & 3
    return 1 if version == 3 else 2, 1 if frame[3] >> 6 == 3 else 2, RATES[version][frame[2] >> 2 & 3]


def _frame_bytes(header: bytes) -> int:
    """The length of the layer III frame that begins so; 0 where none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, bits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return 0
    kbps = KBPS[1 if version == 3 else 2][bits]
    return (144_000 if version == 3 else 72_000) * kbps // RATES[version][rate] + (header[2] >> 1 & 1)


def _tag_bytes(data: bytes, at: int) -> int:
    """The length of the ID3 tag that begins here; 0 where none does."""
    if data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        return 10 + sum(byte << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0), strict=True))
    return 128 if data[at : at + 3] == b"TAG" else 0


def _is_end(data: bytes, at: int) -> bool:
    """Whether a frame that ends here may be the last: the end of the file, or a tag."""
    return at >= len(data) - 4 or data[at : at + 3] in (b"ID3", b"TAG") or data[at : at + 8] == b"APETAGEX"
