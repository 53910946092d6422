"""Files become tracks: audio, data sets and adapters, which stems sound when, copies, downloads, miniatures."""
