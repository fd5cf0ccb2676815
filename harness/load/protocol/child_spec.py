"""The specification of a run: the harness passes the load plan to its Locust child as one JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from pydantic import TypeAdapter

from harness.model.load import LoadPlan

SPEC_VARIABLE = "HARNESS_LOAD_SPEC"
"""Environment variable that tells the child the path of its specification."""
UPLOAD_VARIABLE = "HARNESS_LOAD_UPLOAD"
"""Environment variable for workers on other machines: they send their samples to the master over Locust's
connection."""
SPEC_FILE = "spec.json"


def encode_spec(plan: LoadPlan) -> str:
    """Return the plan as JSON in ASCII, which any locale can read and which any name of a file fits into."""
    return json.dumps(asdict(plan), default=str, indent=1)


def decode_spec(text: str) -> LoadPlan:
    """Return the plan that ``encode_spec`` encoded."""
    return TypeAdapter(LoadPlan).validate_python(json.loads(text))


def write_spec(plan: LoadPlan, folder: Path) -> Path:
    """Write the specification into the run's folder, with an absolute path of the profile. Returns the file's path.

    Only this user can read it, because headers and URL may carry credentials.
    """
    path = folder / SPEC_FILE
    path.touch(mode=0o600)
    path.write_text(encode_spec(replace(plan, profile=plan.profile.absolute())))
    return path
