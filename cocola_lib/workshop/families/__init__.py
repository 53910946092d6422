"""Families: what the bundled model is trained on. An excerpt as it was played, and again with one thing changed.

Random negatives differ in everything, first of all in rhythm, and a model that tells them apart may be deaf to
harmony. So every excerpt is rendered from its notes several times, all stems apart: as it is, transposed, and at
another tempo. A window, its transposed twin, itself late by part of a beat, and another place of the song are
then negatives of each other, within Eq. 3 and at no further cost, because all sub-mixes of a batch meet anyway.

    pieces   where notes come from: the band, chorales, works by people, an accompaniment generator
    render   notes -> a folder of families                        python -m cocola_lib.workshop.families make
    draw     families -> batches of sub-mixes with their pitch classes
    sound    gain, room, drive, noise, equaliser: what changes the sound and not the coherence
    losses   what a batch asks of a model: Eq. 3, and the pitch classes that sound
    train    batches -> weights                                   python -m cocola_lib.workshop.families train
    export   weights -> the checkpoint in the package             python -m cocola_lib.workshop.families export
    outside  how it does on music that no training heard          python -m cocola_lib.workshop.families outside
    songs    and on more test songs than the miniatures have      python -m cocola_lib.workshop.families songs

Rendering needs `pip install "cocola-lib[families]"` and, from the system's packages, fluidsynth, the soundfont
FluidR3 GM and MMA (Musical MIDI Accompaniment, used as a program; its licence is GPL). Scoring needs none of it.
"""

from cocola_lib.data.audio import SAMPLE_RATE

RATE = SAMPLE_RATE  # Hz
LENGTH_S = 13.0  # of an excerpt
ROLL_HZ = 50  # pitch classes per second
STEPS, STEP_S = 63, 0.08  # of a window: the encoder's
