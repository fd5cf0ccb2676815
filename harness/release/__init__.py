"""Releases: bring a new build to the users step by step, each step proven, and promote, hold or reject it.

``machine`` decides what comes next and does nothing itself. ``driver`` carries it out, with the record on disk written
before and after each operation. ``ports`` is what a release needs of the world; ``local`` and ``cluster`` implement it.
"""
