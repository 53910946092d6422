"""The figures that the procedural band plays: grooves, bass lines, chords, arpeggios, melodies and riffs.

All of them are written as one bar of sixteen steps (sixteenth notes of 4/4) and folded into other metres by `METERS`.
`players.py` plays them.
"""

# metre -> which of the sixteen steps a bar keeps, and which of its own steps are strong
METERS = {
    "4/4": (tuple(range(16)), (0, 4, 8, 12)),
    "3/4": (tuple(range(12)), (0, 4, 8)),
    "6/8": ((0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14), (0, 6)),  # two beats of three eighths
    "7/8": (tuple(range(14)), (0, 4, 8)),  # 2 + 2 + 3 eighths
}
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
