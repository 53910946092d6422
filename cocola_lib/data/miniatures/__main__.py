"""A worker of a parallel build, started by `build`; its arguments are those of `work`."""

import sys

from cocola_lib.data.miniatures import work

work(*sys.argv[1:])
