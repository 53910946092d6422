"""The styles of the procedural band: forms, what a style allows, and the instruments of each role.

Composition rules as data; `harmony` has the chords, `figures` the patterns. Nothing here knows about sound: which
instrument plays a role does not depend on the style, so that timbre says nothing about belonging together.
"""

from dataclasses import dataclass

FORMS = (  # section, length in units, intensity 0-1
    (("intro", 1, 0.4), ("verse", 2, 0.5), ("chorus", 2, 0.9), ("verse", 1, 0.6), ("chorus", 2, 1.0)),
    (("verse", 2, 0.5), ("chorus", 2, 0.8), ("break", 1, 0.3), ("chorus", 2, 1.0)),
    (("intro", 1, 0.5), ("verse", 2, 0.6), ("bridge", 2, 0.7), ("verse", 2, 0.9)),
    (("verse", 2, 0.6), ("verse", 2, 0.7), ("bridge", 2, 0.8), ("verse", 2, 0.7)),  # AABA
    (("intro", 1, 0.3), ("build", 1, 0.6), ("chorus", 2, 1.0), ("break", 1, 0.4), ("chorus", 2, 1.0)),
    (("chorus", 1, 0.9), ("verse", 2, 0.5), ("chorus", 2, 0.9), ("outro", 1, 0.5)),
)
# how likely a role plays in a section; anything not named plays in three of four
PRESENCE = {
    "intro": {"effect": 1.0, "drums": 0.5, "bass": 0.5, "melody": 0.3, "riff": 0.8, "pad": 0.7},
    "verse": {"drums": 0.95, "bass": 0.97, "melody": 0.85, "riff": 0.4},
    "chorus": {"drums": 1.0, "bass": 1.0, "melody": 0.9, "comp": 0.95, "pad": 0.9},
    "bridge": {"drums": 0.8, "bass": 0.9, "melody": 0.6, "arp": 0.9},
    "build": {"drums": 0.8, "bass": 0.6, "arp": 0.9, "pad": 0.9},
    "break": {"drums": 0.35, "percussion": 0.7, "bass": 0.4, "melody": 0.5, "riff": 0.6},
    "outro": {"drums": 0.7, "melody": 0.4},
}


@dataclass(frozen=True)
class Style:
    """What a style allows; a song draws from it."""

    tempo: tuple[float, float]  # quarters per minute
    meters: tuple[str, ...]
    swing: tuple[float, float]  # 0 straight, 1 triplets
    chord_bars: tuple[float, ...]  # bars per chord
    scales: tuple[str, ...]
    grooves: tuple[str, ...]
    bass: tuple[str, ...]
    comp: tuple[str, ...]
    unit: float = 1.0  # quarters: swing moves the second half of each; 1 eighths, 0.5 sixteenths


STYLES = {
    "pop": Style(tempo=(84, 132), meters=("4/4",), swing=(0, 0.1), chord_bars=(1, 1, 0.5), scales=("major",
                 "minor"),
                grooves=("rock", "sixteenths", "half time", "soul"), bass=("eighths", "whole", "syncopated"),
                comp=("block", "eighths", "push", "strum")),
    "rock": Style(tempo=(96, 168), meters=("4/4", "4/4", "6/8"), swing=(0, 0), chord_bars=(1, 2, 0.5),
                 scales=("major", "minor", "mixolydian"), grooves=("rock", "rock busy", "half time", "tom tribe"),
                 bass=("eighths", "riff"), comp=("eighths", "strum", "quarters", "block")),
    "funk": Style(tempo=(88, 118), meters=("4/4",), swing=(0, 0.35), chord_bars=(2, 1, 4), unit=0.5,
                 scales=("dorian", "mixolydian"), grooves=("funk", "funk two"), bass=("syncopated", "octave",
                 "riff"),
                 comp=("chops", "sixteenths", "stabs")),
    "jazz": Style(tempo=(96, 180), meters=("4/4", "4/4", "3/4"), swing=(0.6, 1.0), chord_bars=(1, 0.5, 1),
                 scales=("major", "minor", "dorian"), grooves=("swing", "brushes"), bass=("walking", "walking",
                 "two beat"),
                 comp=("jazz", "charleston")),
    "bossa": Style(tempo=(100, 150), meters=("4/4",), swing=(0, 0.1), chord_bars=(1, 2), scales=("major", "minor"),
                  grooves=("bossa", "samba"), bass=("bossa", "two beat"), comp=("bossa", "jazz")),
    "salsa": Style(tempo=(90, 180), meters=("4/4",), swing=(0, 0.1), chord_bars=(1, 0.5),
                  scales=("minor", "harmonic minor", "mixolydian"), grooves=("salsa", "samba"), bass=("tumbao",),
                  comp=("montuno", "stabs")),
    "house": Style(tempo=(116, 130), meters=("4/4",), swing=(0, 0.3), unit=0.5, chord_bars=(1, 2),
                   scales=("minor", "dorian"),
                  grooves=("house", "techno"), bass=("off beat", "octave", "syncopated"), comp=("off beat",
                  "stabs", "push")),
    "ballad": Style(tempo=(60, 88), meters=("4/4", "6/8", "3/4"), swing=(0, 0.2), chord_bars=(1, 0.5),
                   scales=("major", "minor"), grooves=("ballad", "half time"), bass=("whole", "two beat"),
                   comp=("block", "quarters", "eighths")),
    "reggae": Style(tempo=(68, 92), meters=("4/4",), swing=(0.2, 0.7), unit=0.5, chord_bars=(1, 2),
                   scales=("major", "minor", "mixolydian"), grooves=("one drop", "steppers"), bass=("dub", "riff"),
                   comp=("skank",)),
    "folk": Style(tempo=(84, 150), meters=("3/4", "3/4", "6/8", "4/4"), swing=(0, 0.3), chord_bars=(1, 2),
                 scales=("major", "dorian", "mixolydian"), grooves=("waltz", "brushes"), bass=("two beat", "whole"),
                 comp=("strum", "quarters", "block")),
    "prog": Style(tempo=(96, 160), meters=("7/8", "7/8", "4/4"), swing=(0, 0), chord_bars=(1, 2),
                 scales=("phrygian", "lydian", "minor", "dorian"), grooves=("rock busy", "metal", "tom tribe",
                 "rock"),
                 bass=("riff", "eighths"), comp=("eighths", "sixteenths", "push")),
    "soul": Style(tempo=(68, 112), meters=("4/4", "6/8"), swing=(0.1, 0.7), unit=0.5, chord_bars=(1, 0.5),
                  scales=("major", "minor"),
                 grooves=("soul", "funk two", "shuffle"), bass=("syncopated", "riff", "walking"),
                 comp=("quarters", "stabs", "chops")),
    # the rest is held out: only mini-musdb18hq has it
    "disco": Style(tempo=(110, 126), meters=("4/4",), swing=(0, 0.1), chord_bars=(1, 2), scales=("minor", "major"),
                  grooves=("disco",), bass=("octave",), comp=("chops", "strum", "off beat")),
    "country": Style(tempo=(90, 176), meters=("4/4", "4/4", "3/4"), swing=(0, 0.4), chord_bars=(1, 2),
                    scales=("major", "mixolydian"), grooves=("train", "shuffle"), bass=("two beat",),
                    comp=("strum", "off beat")),
    "synthwave": Style(tempo=(84, 118), meters=("4/4",), swing=(0, 0), chord_bars=(1, 2), scales=("minor",
                       "lydian"),
                      grooves=("motorik", "disco"), bass=("octave", "eighths"), comp=("block", "off beat")),
    "hip hop": Style(tempo=(70, 100), meters=("4/4",), swing=(0.1, 0.6), unit=0.5, chord_bars=(1, 2),
                    scales=("minor", "dorian", "phrygian"), grooves=("boom bap", "trap"), bass=("long sub", "dub"),
                    comp=("charleston", "stabs", "block")),
    "indie": Style(tempo=(100, 160), meters=("4/4", "6/8", "7/8"), swing=(0, 0.1), chord_bars=(1, 1, 2),
                  scales=("major", "lydian", "minor"), grooves=("motorik", "tom tribe", "breakbeat"),
                  bass=("eighths", "syncopated"), comp=("sixteenths", "strum", "eighths")),
    "afrobeat": Style(tempo=(96, 128), meters=("4/4",), swing=(0, 0.4), unit=0.5, chord_bars=(2, 4),
                      scales=("dorian", "minor"),
                     grooves=("afrobeat",), bass=("syncopated", "riff"), comp=("chops", "stabs")),
}  # fmt: skip
HELD_OUT_STYLES = ("disco", "country", "synthwave", "hip hop", "indie", "afrobeat")

# General MIDI programs by role: together all 128
PROGRAMS = {
    "bass": (*range(32, 40), 43, 58, 87),
    "comp": (*range(0, 9), 11, *range(15, 32), 45, 46, 61, 62, 63, 105, 106, 107),
    "pad": (*range(16, 22), 44, *range(48, 53), 54, 55, *range(88, 104), 109),
    "arp": (*range(0, 16), *range(24, 29), 31, 45, 46, 80, 81, 84, 88, 96, 98, 99, 100, 102, 104, 106, 107,
            108, 114),
    "riff": (*range(24, 32), *range(56, 65), 65, 66, 67, *range(80, 88), 104, 105, 106, 112, 113, 115, 116,
             117, 118, 47),
    "melody": (0, 4, 9, 11, 12, 13, 21, 22, *range(40, 43), *range(52, 55), *range(56, 61), *range(64, 80),
               *range(80, 88), 109, 110, 111, 114),
    "vocals": (52, 53, 54),  # choirs, in the score: what is heard is sung by `singer.py`
    "counter": (*range(40, 43), 48, *range(56, 63), *range(64, 76), 110),
    "effect": tuple(range(119, 128)),  # a reversed cymbal, the sea, applause: marks where sections meet
}  # fmt: skip
DRUM_KITS = (0, 8, 16, 24, 25, 32, 40, 48)
HELD_OUT_KITS = (24, 32)


def is_held_out(program: int) -> bool:
    """Every fourth program, two of each General MIDI family, is heard in mini-musdb18hq only."""
    return program % 4 == 2
