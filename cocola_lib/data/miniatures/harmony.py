"""The harmony that the procedural band knows: scales, chords and progressions in roman numerals."""

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
