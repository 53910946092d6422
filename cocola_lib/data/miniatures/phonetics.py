"""What a voice is made of: kinds of voices, vowels and consonants, as data for `singer.py`.

Vowels as Peterson and Barney measured them (JASA 24, 1952), consonants after Klatt's table (JASA 67, 1980), their
noises by ear. They make syllables, not words.
"""

from __future__ import annotations

from typing import NamedTuple


class Voice(NamedTuple):
    """A kind of voice: how its vocal tract and its glottis differ from others."""

    lowest: int  # pitch around which the lowest of these voices sing
    female: bool
    scale: float  # of all resonances: a shorter tract has higher ones
    open_share: float  # of a glottal period


class Consonant(NamedTuple):
    """What comes before a vowel: resonances of a man, and how loud its sources are, against a vowel's."""

    formants_hz: tuple[float, float, float]
    length_s: float
    voiced: float = 0.0  # the glottis
    breath: float = 0.0  # noise from the glottis
    hiss: float = 0.0  # noise from a narrow place in the mouth
    hiss_hz: float = 4000.0
    width_hz: float = 2000.0
    shut: float = 0.0  # share of the length before noise begins: a plosive's closed lips


VOICES = {
    "bass": Voice(0, False, 0.96, 0.55), "tenor": Voice(53, False, 1.03, 0.6), "alto": Voice(61, True, 0.96, 0.66),
    "soprano": Voice(68, True, 1.03, 0.7),
}  # fmt: skip
VOWELS = (  # as in heed, head, hod, hawed, who'd, hud: F1, F2, F3 of men and of women, Hz
    ((270, 2290, 3010), (310, 2790, 3310)), ((530, 1840, 2480), (610, 2330, 2990)),
    ((730, 1090, 2440), (850, 1220, 2810)), ((570, 840, 2410), (590, 920, 2710)),
    ((300, 870, 2240), (370, 950, 2670)), ((640, 1190, 2390), (760, 1400, 2780)),
)  # fmt: skip
CONSONANTS = (
    Consonant((270, 1270, 2130), 0.08, 0.45), Consonant((270, 1340, 2470), 0.07, 0.45),  # m, n: the nose's murmur
    Consonant((310, 1050, 2880), 0.07, 0.6), Consonant((290, 610, 2150), 0.07, 0.6),  # l, w
    Consonant((260, 2070, 3020), 0.06, 0.6), Consonant((310, 1060, 1380), 0.07, 0.55),  # y, r
    Consonant((200, 1100, 2150), 0.07, 0.12, 0, 0.08, 900, 900, 0.8),  # b
    Consonant((200, 1600, 2600), 0.07, 0.12, 0, 0.12, 3500, 2500, 0.8),  # d
    Consonant((300, 1990, 2850), 0.10, 0, 0.15, 0.2, 2200, 1200, 0.6),  # k
    Consonant((400, 1600, 2600), 0.09, 0, 0.1, 0.25, 4500, 3000, 0.6),  # t
    Consonant((320, 1390, 2530), 0.12, 0, 0, 0.25, 6500, 2500),  # s
    Consonant((300, 1840, 2750), 0.11, 0, 0, 0.3, 3200, 1500),  # sh
    Consonant((500, 1500, 2500), 0.09, 0.0, 0.25), Consonant((220, 1100, 2080), 0.07, 0.3, 0, 0.04, 5000, 6000),  # h, v
)  # fmt: skip
WIDTHS_HZ = (80, 100, 150)  # of F1 to F3
HIGH_HZ = ((3400, 220), (4300, 300), (5400, 450), (6500, 600), (7700, 800))  # F4 and above, a man's, and their widths
WOMEN = 1.15  # a woman's higher resonances, and those of her consonants, against a man's


def voice_of(centre: int) -> Voice:
    """Who sings around a pitch."""
    return [voice for voice in VOICES.values() if centre >= voice.lowest][-1]
