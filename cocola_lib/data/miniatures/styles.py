"""What the procedural band knows: metres, chords, progressions, grooves, figures, forms, instruments.

Composition rules as data; `players.py` plays them. All patterns are written as one bar of sixteen steps
(sixteenth notes of 4/4) and folded into other metres by `METERS`. Nothing here knows about sound: which
instrument plays a role does not depend on the style, so that timbre says nothing about belonging together.
"""

from dataclasses import dataclass

# metre -> which of the sixteen steps a bar keeps, and which of its own steps are strong
METERS = {
    "4/4": (tuple(range(16)), (0, 4, 8, 12)),
    "3/4": (tuple(range(12)), (0, 4, 8)),
    "6/8": ((0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14), (0, 6)),  # two beats of three eighths
    "7/8": (tuple(range(14)), (0, 4, 8)),  # 2 + 2 + 3 eighths
}
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "pentatonic": (0, 2, 4, 7, 9),
    "blues": (0, 3, 5, 6, 7, 10),
}
# what may follow a roman numeral; case gives the third (I major, i minor)
CHORD_TYPES = {
    ("I", ""): (0, 4, 7), ("I", "7"): (0, 4, 7, 10), ("I", "maj7"): (0, 4, 7, 11), ("I", "6"): (0, 4, 7, 9),
    ("I", "9"): (0, 4, 10, 14), ("I", "13"): (0, 4, 10, 21), ("I", "sus4"): (0, 5, 7), ("I", "add9"): (0, 4, 7, 14),
    ("I", "5"): (0, 7), ("I", "+"): (0, 4, 8), ("I", "maj9"): (0, 4, 11, 14), ("I", "7b9"): (0, 4, 10, 13),
    ("i", ""): (0, 3, 7), ("i", "7"): (0, 3, 7, 10), ("i", "9"): (0, 3, 10, 14), ("i", "6"): (0, 3, 7, 9),
    ("i", "o"): (0, 3, 6), ("i", "o7"): (0, 3, 6, 9), ("i", "h7"): (0, 3, 6, 10), ("i", "maj7"): (0, 3, 7, 11),
}  # fmt: skip
DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}  # semitones, in major

PROGRESSIONS = {  # scale -> progressions; b and # alter the degree, V7/ii is a secondary dominant
    "major": (
        "I V vi IV", "I vi IV V", "vi IV I V", "I IV V IV", "I iii IV iv", "I I7 IV iv", "IV V iii vi",
        "I V/vi vi IV", "Iadd9 V6 vi7 IVmaj7", "I bVII IV I", "I bVI bVII I", "vi iii IV I", "ii7 V7 Imaj7 Imaj7",
        "Imaj7 vi7 ii7 V7", "Imaj7 VI7b9 ii7 V13", "iii7 VI7 ii9 V13", "Imaj7 #io7 ii7 V7", "Imaj9 IVmaj7 iii7 vi9",
        "IVmaj7 iv6 Imaj7 VI7", "ii9 bII7 Imaj9 vi9", "I Isus4 V Vsus4", "I IV ii V7", "I V7/IV IV bVII",
        "Imaj7 II9 ii9 bII7", "I I+ I6 I7 IV iv I V7", "I vi7 ii9 V13 iii7 VI7 ii7 bII7",
    ),
    "minor": (
        "i bVI bIII bVII", "i iv bVII bIII", "i bVII bVI V7", "i v bVI iv", "i i iv V7", "i7 iv7 bVII7 bIIImaj7",
        "iih7 V7b9 i6 i6", "i bVI iv V7", "i7 bVImaj7 iih7 V7", "i bIII bVII IV", "i iv i V7", "i imaj7 i7 IV7",
        "iv7 bVII7 bIIImaj7 bVImaj7 iih7 V7 i7 i7", "bVI bVII i i", "i9 bVI9 iv9 V7b9",
    ),
    "dorian": ("i7 IV7", "i9 IV13 i9 bVII6", "i IV i bVII", "i7 ii7 bIIImaj7 IV7", "i7 i7 IV9 IV9", "i bIII IV IV"),
    "mixolydian": ("I bVII IV I", "I7 IV7 I7 V7", "I7 bVII6 I7 IV7", "I9 v7 I9 IV9", "I I bVII IV",
                   "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7"),  # the last is a twelve-bar blues
    "phrygian": ("i bII i bvii", "i bII bIII bII", "I5 bII5 I5 bVII5"),
    "lydian": ("Imaj7 II Imaj7 vii7", "I II I V", "Imaj9 II6"),
    "harmonic minor": ("i V7 i iv", "i iv V7 i", "i viio7 i V7b9", "i bVI viio7 i"),
}  # fmt: skip

DRUMS = {"kick": 36, "kick2": 35, "stick": 37, "snare": 38, "clap": 39, "hat": 42, "pedal": 44, "open": 46,
         "crash": 49, "ride": 51, "bell": 53, "tamb": 54, "cowbell": 56, "bongo hi": 60, "bongo lo": 61,
         "conga mute": 62, "conga hi": 63, "conga lo": 64, "timbale": 65, "agogo hi": 67, "agogo lo": 68,
         "cabasa": 69,
         "maracas": 70, "guiro": 73, "claves": 75, "block": 76, "triangle": 81, "shaker": 82,
         "tom1": 48, "tom2": 45, "tom3": 41}  # fmt: skip
KIT_PIECES = {  # the microphones of a drum kit, for data sets with several files per stem
    "kick drum": ("kick", "kick2"), "snare drum": ("snare", "stick", "clap"), "toms": ("tom1", "tom2", "tom3"),
    "overheads": ("hat", "pedal", "open", "crash", "ride", "bell", "tamb", "cowbell"),
}  # fmt: skip
# x loud, o normal, g ghost note, ? sometimes
GROOVES = {
    "rock": {"kick": "x.......x.o.....", "snare": "....x..g....x..?", "hat": "x.o.x.o.x.o.x.o."},
    "rock busy": {"kick": "x..o..x...x..o..", "snare": "....x..g.g..x..g", "hat": "x.o.x.o.x.o.x.o.",
                  "open": "..............?."},
    "half time": {"kick": "x.....o...o...?.", "snare": "........x......g", "hat": "x.o.x.o.x.o.x.o."},
    "sixteenths": {"kick": "x......ox.o.....", "snare": "....x.......x...", "hat": "xgogxgogxgogxgog"},
    "funk": {"kick": "x.o....o..x..o..", "snare": "....x..g.g.gx..g", "hat": "xoxoxoxoxoxox.xo",
             "open": ".............o.."},
    "funk two": {"kick": "x..x....?.x.....", "snare": ".g..x.g..g..x.g.", "hat": "x.xox.xox.xox.xo"},
    "swing": {"ride": "x...x.o.x...x.o.", "pedal": "....o.......o...", "kick": "g.......?.....?.",
              "snare": "..?...g....?..g."},
    "shuffle": {"kick": "x.....o.x.....o.", "snare": "....x.......x.g.", "hat": "x.o.x.o.x.o.x.o."},
    "bossa": {"kick": "x.....ox.....o..", "stick": "x.....x...x..x..", "hat": "xoxoxoxoxoxoxoxo"},
    "samba": {"kick": "x..ox..ox..ox..o", "stick": "x.x..x.x.x..x.x.", "shaker": "xogoxogoxogoxogo"},
    "salsa": {"kick": "...x..o....x..o.", "timbale": "x.o.x.oox.o.xoo.", "cowbell": "x...o...x...o..."},
    "house": {"kick": "x...x...x...x...", "clap": "....x.......x...", "open": "..x...x...x...x.",
              "hat": "g.gog.gog.gog.go"},
    "techno": {"kick": "x...x...x...x..?", "hat": "..x...x...x...xo", "clap": "............x...",
               "ride": "x.x.x.x.x.x.x.x."},
    "breakbeat": {"kick": "x.x.......xx....", "snare": "....x..g.g..x..g", "hat": "x.x.x.x.x.x.x.x."},
    "one drop": {"stick": "........x.......", "kick": "........x.......", "hat": "x.oox.oox.oox.oo"},
    "steppers": {"kick": "x...x...x...x...", "stick": "........x.....?.", "hat": "..x...x...x...x."},
    "soul": {"kick": "x..o....x.o..o..", "snare": "....x..g....x...", "tamb": "o.g.x.g.o.g.x.g."},
    "ballad": {"kick": "x.......o.o.....", "stick": "....x.......x...", "hat": "o.g.o.g.o.g.o.g."},
    "train": {"kick": "x...o...x...o...", "snare": "ggxgggxgggxgggxg"},
    "disco": {"kick": "x...x...x...x...", "snare": "....x.......x...", "hat": "x.g.x.g.x.g.x.g.",
              "open": "..x...x...x...x."},
    "trap": {"kick": "x.....?o..x.....", "clap": "........x.......", "hat": "x.x.x.xxx.x.xxxx"},
    "boom bap": {"kick": "x.....o..ox.....", "snare": "....x.......x..g", "hat": "x.o.x.o.x.o.x.oo"},
    "motorik": {"kick": "x.x.....x.x.....", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    "afrobeat": {"kick": "x..o..x...o.x...", "snare": "..g..gx..g.g..x.", "hat": "x.xox.xox.xox.xo"},
    "metal": {"kick": "xoxoxoxoxoxoxoxo", "snare": "....x.......x...", "ride": "x...x...x...x..."},
    "waltz": {"kick": "x...............", "snare": "....o...o.......", "hat": "o...x.o.x.o.o..."},
    "brushes": {"snare": "o.g.x.g.o.g.x.g.", "kick": "g.......g.......", "pedal": "....o.......o..."},
    "tom tribe": {"tom3": "x..o..x.x..o....", "tom2": "...g..o....o..x.", "kick": "x.......x......."},
}  # fmt: skip
PERCUSSION = (
    {"conga hi": "..o.x.oo..o.x.oo", "conga lo": "......xx......xx", "conga mute": "o.....o.o......."},
    {"shaker": "xogoxogoxogoxogo", "claves": "x..x...x..x.x..."},
    {"tamb": "..o.x.o...o.x.o.", "agogo hi": "x.x...x...x.....", "agogo lo": "....x...x.....x."},
    {"bongo hi": "x.oox.oox.oox.oo", "bongo lo": "......x.......x."},
    {"cabasa": "o.x.o.x.o.x.o.x.", "block": "x.....x.....x..."},
    {"cowbell": "x...x...x...x...", "guiro": "x...o.o.x...o.o."},
    {"maracas": "xgogxgogxgogxgog", "triangle": "x.......o......."},
    {"clap": "....x.......x...", "shaker": "o.g.o.g.o.g.o.g."},
)
FILLS = (  # the last bar of a section may end with one of these
    {"snare": "............xoxo"}, {"tom1": "........xo......", "tom2": "..........xo....",
     "tom3": "............xoxx"},
    {"snare": "........x.xgxgxx", "kick": "x...x...x......."}, {"snare": "............gox.",
     "open": "..............x."},
    {"tom1": "............x...", "tom2": ".............xx.", "tom3": "...............x"}, {},
)  # fmt: skip

# R root, 3 third, 5 fifth, 7 seventh or sixth, 8 octave, a approach to the next root, w walking tone, - hold
BASS = {
    "whole": ("R---------------", "R-------5-------", "R-----R-R-------"),
    "eighths": ("R.R.R.R.R.R.R.R.", "R-R-R-R-R-R-R-a-", "R.R.5.R.R.R.8.a."),
    "walking": ("R---w---w---a---", "R---w---w-w-a---", "R---3---5---a---"),
    "syncopated": ("R-.R-.R-..R-..a.", "R-...R-.R.5.8.a.", "R..R..8.R...57a.", "R-....R-.8.R..a."),
    "octave": ("R.8.R.8.R.8.R.8.", "R-8-R-8-5-8-R-a-", "RR8.RR8.RR8.R.8."),
    "two beat": ("R---....5---....", "R---..R.5---..a.", "R---....5---3-a-"),
    "tumbao": ("......5---..8---", "R.....5---..8---", "......R---..5---"),
    "bossa": ("R-----5-5-----R-", "R-----5-5-----a-"),
    "off beat": ("..R-..R-..R-..R-", "..R...8...R...8."),
    "riff": ("R..R..7.R..5.7R.", "R.R..R.3..5.R.a.", "R-.8-.7-5.3.R.a."),
    "dub": ("R-..3.5-....R...", "....R-3-..5-R-..", "R---..R-5---...."),
    "long sub": ("R-----------a---", "R-----....R-....", "R--------...8---"),
}
COMP = {  # x a chord, - held
    "block": ("x---------------", "x-------x-------", "x-----x-x-------"),
    "quarters": ("x---x---x---x---", "x-..x-..x-..x-.."),
    "eighths": ("x-x-x-x-x-x-x-x-", "x.x.x.x.x.x.x.x."),
    "off beat": ("..x...x...x...x.", "....x-......x-.."),
    "charleston": ("x-....x---......", "x-....x-..x-....", "..x-....x-....x-"),
    "jazz": ("......x-......x-", "x-....x.....x-..", "..x.....x-......", "......x---..x-.."),
    "bossa": ("x-.x-..x-..x-...", "x--x--x---x--x--"),
    "montuno": ("x-x.x-.x.x-.x.x-", "x.xx.x.xx.x.x.xx"),
    "skank": ("....x.......x...", "..x...x...x...x."),
    "sixteenths": ("x.xxx.xxx.xxx.xx", "x..x..x.x..x..x."),
    "chops": ("..x..x....x..x..", ".x..x..x..x.x...", "....x..x....x..x"),
    "push": ("x-----x-.-....x-", "x-----------x---", "x--x--x--x--x-x-"),
    "stabs": ("x.x.............", "..........x.x...", "x...........x.x.", "......x........."),
    "strum": ("x-..x-xx.xx-x-xx", "x---x-x-.-x-x-x-"),
}
ARPS = ("0.1.2.3.2.1.2.1.", "0123012301230123", "0.2.1.2.0.2.1.2.", "3.2.1.0.3.2.1.0.", "0..1..2..3..2.1.",
        "0.1.2...3...2...", "0-1-2-3-4-3-2-1-", "..1.2.3...2.3.4.", "0.3.1.3.2.3.1.3.",
        "0-----1---2---3-")  # fmt: skip
MOTIFS = (  # rhythms of melodies and riffs, one bar; a dot after a note is breath, a bar may be empty
    "x---x---x-x-x---", "x-x-x---..x-x-x-", "x-----x-x-------", "..x-x-x-x---....", "x--x--x---x-x---",
    "x-x-x-x-x-------", "....x-x-x-x-x---", "x---....x-x-x-..", "x-----------x-x-", "x.x.x-..x.x.x-..",
    "..x---x---x-x---", "x---x-------....", "x-xxx---x-......", "......x-x-x-x-x-", "x--x--x--x--x---",
    "................",
)  # fmt: skip
RIFFS = ("x-x-..x-x-..x-x-", "x..x..x...x.x...", "x.xx..x.x.xx..x.", "x---..xxx---....", "x-x-x-..x.x.x...",
         "xx.xx.x.x.......", "..x.x.x...x.x.x.", "x.....x.x.....xx", "x-.x-.x-.x-.x-x-")  # fmt: skip

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
    "vocals": (52, 53, 54, 85, 64, 65, 66, 68, 71, 73, 74, 78, 82, 86, 91),  # nothing in a soundfont sings words
    "counter": (*range(40, 43), 48, *range(56, 63), *range(64, 76), 110),
    "effect": tuple(range(119, 128)),  # a reversed cymbal, the sea, applause: marks where sections meet
}  # fmt: skip
DRUM_KITS = (0, 8, 16, 24, 25, 32, 40, 48)
HELD_OUT_KITS = (24, 32)


def is_held_out(program: int) -> bool:
    """Every fourth program, two of each General MIDI family, is heard in mini-musdb18hq only."""
    return program % 4 == 2
