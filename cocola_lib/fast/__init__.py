"""The same numbers in less time: median networks, batches, precision, memory. Skip it at first reading."""
