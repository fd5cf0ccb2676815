"""The order: what the harness tells its Locust child, as one JSON file in the folder of the run."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.model.load import Arrivals, LoadPlan, Stage

ORDER_VARIABLE = "HARNESS_LOAD_ORDER"
"""Environment variable of the child: path of the order."""
SHIP_VARIABLE = "HARNESS_LOAD_SHIP"
"""Environment variable of workers on other machines: samples go to the master over Locust's link."""


def order_text(plan: LoadPlan) -> str:
    """The plan as JSON."""
    return json.dumps(asdict(plan), default=str, indent=1)


def read_order(text: str) -> LoadPlan:
    """The plan that ``order_text`` wrote."""
    fields: dict[str, Any] = json.loads(text)
    stages = tuple(Stage(**stage) for stage in fields.pop("stages"))
    profile, arrivals = Path(fields.pop("profile")), Arrivals(fields.pop("arrivals"))
    return LoadPlan(profile=profile, stages=stages, arrivals=arrivals, **fields)


def write_order(plan: LoadPlan, folder: Path) -> Path:
    """Write the order of a run into its folder; relative profiles are made absolute."""
    path = folder / "order.json"
    path.write_text(order_text(replace(plan, profile=plan.profile.absolute())))
    return path


def write_json(path: Path, value: Any) -> None:
    """Write a whole file or none."""
    whole = path.with_suffix(".part")
    whole.write_text(json.dumps(value))
    whole.replace(path)
