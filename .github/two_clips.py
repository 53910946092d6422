"""Two clips to score, mix.wav and bass.wav, in the current folder."""

import numpy as np
import soundfile

for name, hz in (("mix", 220), ("bass", 110)):
    soundfile.write(f"{name}.wav", 0.1 * np.sin(2 * np.pi * hz * np.arange(5 * 16_000) / 16_000), 16_000)
