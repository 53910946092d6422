"""Stems are put into the class that a musician would name."""

import pytest

from cocola_lib.data.stem_classes import stem_class


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Lead Vocals", "vocals"),
        ("lead_vox", "vocals"),
        ("S04_Synth Lead", "keys"),
        ("lead", "keys"),
        ("4_double bass", "strings"),
        ("bassoon", "wind"),
        ("S01_Sound Effects", "effects"),
        ("stem1", "other"),
    ],
)
def test_a_name_is_taken_for_another_instrument(name, kind):
    assert stem_class(name) == kind
