"""Which kind of instrument a stem is, told from its name: one vocabulary for all data sets.

CocoChorales names instruments ("1_violin"), Slakh2100 General MIDI families ("S03_Reed"), MoisesDB and MUSDB18-HQ
roles ("bass", "other_keys"). Used by notebooks 03 and 04.
"""

import re

CLASSES = {  # in the order of tables and axes; the first pattern that a name matches decides
    "drums": r"drum|kick|snare|hat|tom|cymbal|overhead",
    "percussion": r"percuss(?!ion_chrom)|chromatic|shaker|tambourine|conga",
    "bass": r"(?<!double )bass(?!oon)",
    "guitar": r"guitar|plucked|ethnic|banjo|ukulele",
    "keys": r"piano|organ|keys|synth|accordion|pad|lead(?![ _-]*(vocal|voice|vox|singer))",
    "strings": r"string|violin|viola|cello|double bass|ensemble",
    "wind": r"brass|reed|pipe|wind|flute|oboe|clarinet|bassoon|sax|trumpet|horn|trombone|tuba",
    "vocals": r"vocal|voice|vox|choir|singer",
    "effects": r"effect|fx",
    "other": r"",
}
UNPITCHED = ("drums", "percussion", "effects")  # transposing them changes no harmony


def stem_class(name: str) -> str:
    """The class of a stem, a key of `CLASSES`; "other" where the name says nothing.

    Args:
        name: as in `Track.stem_names`; its case, numbers and underscores do not matter.
    """
    lower = name.lower()
    if "sound effects" in lower:  # before "synth": Slakh's "Synth Effects" play notes, "Sound Effects" do not
        return "effects"
    return next(kind for kind, pattern in CLASSES.items() if re.search(pattern, lower))


def is_pitched(name: str) -> bool:
    """Whether a stem plays notes of a key."""
    return stem_class(name) not in UNPITCHED


def class_of_mix(names: tuple[str, ...]) -> str:
    """The class of a sub-mix: that of its stems if they share one, else "mixed"."""
    kinds = {stem_class(name) for name in names}
    return kinds.pop() if len(kinds) == 1 else "mixed"
