"""An order for Locust that was started by hand: the profile is the file after the bootstrap, the load what it asks for."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from harness.errors import LoadProfileError
from harness.load.planning.load_plan import plan_load
from harness.load.protocol.child_spec import ORDER_VARIABLE, write_order


def order_by_hand(arguments: list[str]) -> Path:
    """Write the order into a new temporary folder; forked workers find it by the environment.

    arguments: of Locust. Ends the process with a message when they name no profile.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-f", "--locustfile", default="")
    parser.add_argument("-H", "--host", default="")
    known, _ = parser.parse_known_args(arguments[1:])
    files = known.locustfile.split(",")
    if len(files) != 2:
        sys.exit(f"harness: expected -f BOOTSTRAP,PROFILE, found -f {known.locustfile}")
    folder = Path(tempfile.mkdtemp(prefix="harness-load-"))
    try:
        plan = plan_load(Path(files[1].strip()), known.host)
    except LoadProfileError as error:
        sys.exit(f"harness: {error}")
    sys.stderr.write(f"harness: {plan.duration_s:g} s of load in the open model; recordings in {folder}\n")
    order = write_order(plan, folder)
    os.environ[ORDER_VARIABLE] = str(order)
    return order
