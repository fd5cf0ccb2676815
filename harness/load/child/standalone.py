"""Make a specification when a person starts Locust directly: the file after the bootstrap is the profile."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from harness.errors import LoadProfileError
from harness.load.planning.load_plan import plan_load
from harness.load.protocol.child_spec import SPEC_VARIABLE, write_spec


def write_standalone_spec(arguments: list[str]) -> Path:
    """Write the specification into a new temporary folder and return its path.

    The load is the one that the profile asks for. Forked workers find the file through the environment.
    arguments: Locust's command line. Ends the process with a message if it does not name a profile.
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
    spec = write_spec(plan, folder)
    os.environ[SPEC_VARIABLE] = str(spec)
    return spec
