"""Tell people what the seed of a run fixes, and what it does not."""

from __future__ import annotations

from harness.model.record import Plan
from harness.model.split import SplitBy

FIXED = "when requests are due and the load profile's random choices"
OPEN = "latencies"
SHORT = f"fixes {FIXED}, not {OPEN} or Envoy's draws"


def seed_scope(plan: Plan) -> str:
    """Return a sentence about the seed of a run: who draws the arm of a request depends on the split."""
    if plan.split_by is SplitBy.HEADER:
        fixed, drawn = f"{FIXED}, and which arm each request asks for", "which requests a fault hits"
    elif plan.split_by is SplitBy.MIRROR:
        fixed, drawn = FIXED, "which requests are copied and which a fault hits"
    else:
        fixed, drawn = FIXED, "the arm of each request and which requests a fault hits"
    return (
        f"Seed {plan.seed} fixes {fixed}. It does not fix {OPEN}, which depend on the services and the machine, "
        f"nor what Envoy draws: {drawn}. A verdict that is close to a limit can differ when the run is repeated "
        "with the same seed."
    )
