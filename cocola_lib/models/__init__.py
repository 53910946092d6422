"""Models on disk and in memory: formats, calibration, the control without learning, other backbones and heads.

Importing this room fills the encoder's registries (`encoder.POOLINGS`, `encoder.PADDINGS`).
"""

from cocola_lib.models import bands as bands
from cocola_lib.models import heads as heads
