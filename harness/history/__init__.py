"""The history of many runs: an append-only index of what they recorded, and what can be read from it.

``index`` keeps the entries, ``runs`` finds them in a folder, ``trends`` and ``changes`` compute what the pages show,
``retention`` removes samples of old bundles, and ``notices`` tells owners of changes, once.
"""
