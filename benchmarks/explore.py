"""Repeat the search for the demo's planted breaking point: ``python benchmarks/explore.py --runs 10``.

The fragile build of the demo gives up after RATINGS_TIMEOUT_S, so it breaks at a delay of that less what ratings itself
takes. A repetition counts if the canary's breaking point is within 10 % of that. The exit code is 1 if fewer than nine
of ten repetitions count. A repetition takes about two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import yaml

from harness.demo.reviews import RATINGS_TIMEOUT_S

RATINGS_S = 0.02
"""What ratings takes, and what the proxies add."""


def main() -> int:
    """Print a line for each repetition."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    planted, near = RATINGS_TIMEOUT_S - RATINGS_S, 0
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(str(files("harness.demo") / "project"), folder, dirs_exist_ok=True)
        config = Path(folder) / "harness.yaml"
        settings = yaml.safe_load(config.read_text())
        settings["services"]["reviews"]["versions"]["v3"] = {"env": {"REVIEWS_KIND": "fragile"}}
        config.write_text(yaml.safe_dump(settings))
        for number in range(1, runs + 1):
            command = [sys.executable, "-m", "harness", "explore", "--fault", "delay(ratings)", "--up-to", "1s"]
            subprocess.run(command, cwd=folder, check=False, stderr=subprocess.DEVNULL)
            (file,) = sorted(Path(folder).glob("reports/explorations/*/*/explore.json"))[-1:]
            found = json.loads(file.read_text())["arms"]["canary"]["estimate"]
            close = found is not None and abs(found / planted - 1) <= 0.1
            near += close
            print(
                f"run {number}: {found} s, planted {planted:g} s: {'near' if close else 'NOT NEAR'}, load {os.getloadavg()[0]:.0f}",
                flush=True,
            )
    print(f"{near} of {runs} within 10 %")
    return 0 if near >= 0.9 * runs else 1


if __name__ == "__main__":
    sys.exit(main())
