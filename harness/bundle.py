"""The run folder: written atomically, read with its format version."""
