"""The version of the judges, which every analysis records.

An analysis of another version may differ from what today's judges say about the same record: it is old, not edited.
"""

from __future__ import annotations

REVISION = 23
"""Raise this number with every change after which a record can get another verdict, score or interval."""
