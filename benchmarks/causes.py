"""Count how often the probable cause of a real run names what was planted in the canary.

    python benchmarks/causes.py --runs 60 --aa 100 --seed 1

Each run sends real load through real Envoys to services on this machine, with a fault at a dependency. In ``--runs`` of
them the canary has one of six plants, chosen and sized by the seed; in ``--aa`` of them both arms are the same build. A
line per run is appended to ``--results``; a run that is there already is not repeated, so the benchmark can be continued.
The exit code is 1 if fewer than 54 of 60 plants are named by hop and kind, or if more than 2 of 100 equal builds are
blamed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

import yaml

from harness import gate, wiring
from harness.config import Config, read_config
from harness.errors import HarnessError
from harness.faults import delay
from harness.mesh.local import start_local_mesh
from harness.mesh.port import Mesh
from harness.metrics.hops import cause_of

SERVICE = Path(__file__).parent / "causes_shop.py"
AT_ONCE = 16
"""Runs that share one mesh: starting it takes longer than a run."""
RATE_RPS, WARM_UP_S, STEADY_S, FAULT_S, RECOVERY_S = 150.0, 1.0, 7.0, 7.0, 2.0
SLOW = "slow instance"
PROFILE = """
from locust import FastHttpUser, constant, task

LOADPROFILE = {"trace_share": 0.0}


class Buyer(FastHttpUser):
    wait_time = constant(1)

    @task
    def look(self):
        self.client.get("/items/7", name="/items")
"""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One run. kind: of the cause that has to be named; empty for equal builds. dose: share of slow calls to prices.

    baseline, canary: the environment of both builds. slower: of the second instance of the canary; empty if it has one.
    """

    number: int
    kind: str
    hop: str
    dose: float
    baseline: Mapping[str, float]
    canary: Mapping[str, float]
    second: Mapping[str, float] | None = None

    @property
    def version(self) -> str:
        """The version of the canary."""
        return f"r{self.number}"


def planned(runs: int, equal: int, seed: int) -> list[Planned]:
    """Return the runs in a random order: their plants and the sizes of these come from the seed."""
    random = Random(seed)
    found = [_plant(random, number) for number in range(runs)]
    found += [_equal(random, number) for number in range(runs, runs + equal)]
    random.shuffle(found)
    return found


def _plant(random: Random, number: int) -> Planned:
    made = Planned(number=number, kind="", hop="prices", dose=random.uniform(40, 60), baseline={}, canary={})
    kinds = (
        replace(made, kind="retries", canary={"RETRIES": random.randint(1, 3)}),
        replace(made, kind="longer waits", canary={"TIMEOUT_S": 8.0}),
        replace(made, kind="extra calls", canary={"PRICES_CALLS": 2})
        if random.random() < 0.5
        else replace(made, kind="extra calls", hop="stock", canary={"STOCK_SHARE": random.uniform(0.3, 1.0)}),
        replace(made, kind="dropped cache", baseline={"CACHED": random.uniform(0.5, 0.8)}),
        replace(made, kind="slower code", hop="shop", canary={"OWN_MS": random.uniform(26, 40)}),
        replace(made, kind=SLOW, hop="shop", second={"OWN_MS": random.uniform(40, 80)}),
    )
    return random.choice(kinds)


def _equal(random: Random, number: int) -> Planned:
    """Return a run of equal builds, half of them with two instances of the canary."""
    made = Planned(number=number, kind="", hop="", dose=random.uniform(40, 60), baseline={}, canary={})
    return replace(made, second={}) if random.random() < 0.5 else made


def configured(folder: Path, runs: list[Planned]) -> Config:
    """Write a configuration with the builds of all runs, and read it."""
    versions: dict[str, object] = {}
    for one in runs:
        versions[f"{one.version}-old"] = {"env": _env(one.baseline)}
        versions[one.version] = {"env": _env(one.canary)}
        if one.second is not None:
            versions[f"{one.version}-b"] = {"env": _env(one.second), "labels": {"version": one.version}}
    command = ["{python}", str(SERVICE), "--port", "{port}"]
    services = {
        name: {"port": 80, "command": [*command, "--called"], "versions": {"v1": None}} for name in ("prices", "stock")
    }
    calls = {"PRICES_URL": "prices", "STOCK_URL": "stock"}
    services["shop"] = {"port": 80, "calls": calls, "command": command, "versions": versions}
    document = {
        "service": "shop",
        "arms": {"baseline": f"{runs[0].version}-old", "canary": runs[0].version},
        "split": "50%",
        "services": services,
        "istio": ["istio.yaml"],
        "load": {"profile": "buy", "rate": RATE_RPS, "arrivals": "poisson", "folders": ["."]},
        "phases": {"warm-up": WARM_UP_S, "steady": STEADY_S, "fault": FAULT_S, "recovery": RECOVERY_S},
        "objectives": ["error_rate < +50pp"],
    }
    labels = {str((version or {}).get("labels", {}).get("version", name)) for name, version in versions.items()}
    rules = [_rule("shop", sorted(labels)), _rule("prices", ["v1"]), _rule("stock", ["v1"])]
    (folder / "harness.yaml").write_text(yaml.safe_dump(document))
    (folder / "istio.yaml").write_text(yaml.safe_dump_all(rules))
    (folder / "buy.py").write_text(PROFILE)
    return read_config(folder / "harness.yaml")


def _env(values: Mapping[str, float]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _rule(host: str, versions: list[str]) -> dict[str, object]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": host},
        "spec": {"host": host, "subsets": [{"name": one, "labels": {"version": one}} for one in versions]},
    }


def carried_out(runs: list[Planned], results: Path, seed: int) -> None:
    """Carry out the runs on one mesh, and append a line for each."""
    with tempfile.TemporaryDirectory(prefix="harness-causes-") as name:
        folder = Path(name)
        config = configured(folder, runs)
        with start_local_mesh(config, folder / "logs", workloads="all") as mesh:
            for one in runs:
                line = {"seed": seed, **asdict(one), **_result(one, config, mesh, folder, seed)}
                with results.open("a") as out:
                    out.write(json.dumps(line) + "\n")
                print(_told(line), flush=True)


def _result(one: Planned, config: Config, mesh: Mesh, folder: Path, seed: int) -> dict[str, object]:
    config = replace(config, baseline=f"{one.version}-old", canary=one.version)
    slow = delay("prices", "1s", percent=round(one.dose, 1))
    scenario = wiring.scenario(config, name=f"run {one.number}", seed=seed + one.number, faults=[slow])
    began, load = time.monotonic(), os.getloadavg()[0]
    try:
        outcome = gate.judge_scenario(
            scenario, config, mesh, folder=folder / one.version, again="", notify=lambda _: None
        )
    except HarnessError as error:
        return {"trouble": str(error), "load": load, "took_s": time.monotonic() - began}
    record = outcome.record
    if record.aborted:
        return {"trouble": record.aborted, "load": load, "took_s": time.monotonic() - began}
    cause = cause_of(record.hops, service="shop", phases=record.plan.phases)
    found = (
        {} if cause is None else {"found_kind": cause.kind.value, "found_hop": cause.hop, "sentence": cause.sentence}
    )
    hops = [asdict(hop) for hop in record.hops]
    return {
        "verdict": str(outcome.analysis.verdict),
        "hops": hops,
        "load": load,
        "took_s": time.monotonic() - began,
        **found,
    }


def _told(line: Mapping[str, object]) -> str:
    found = line.get("trouble") or line.get("sentence") or "nothing named"
    mark = "trouble" if "trouble" in line else "right" if right(line) else "WRONG"
    return f"run {line['number']:>3} {line['kind'] or 'equal builds':<14} {mark:<8} load {line['load']:4.1f} {found}"


def right(line: Mapping[str, object]) -> bool:
    """Return whether hop and kind were named, or nothing for equal builds."""
    found = line.get("found_kind", ""), line.get("found_hop", "")
    return found == (line["kind"], line["hop"])


def _lines(results: Path, seed: int) -> Iterator[dict[str, object]]:
    for text in results.read_text().splitlines() if results.exists() else ():
        line = json.loads(text)
        if line["seed"] == seed and "trouble" not in line:
            yield line


def main() -> int:
    """Carry out what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--aa", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--jobs", type=int, default=1, help="meshes at the same time, which disturb each other a little"
    )
    parser.add_argument("--results", type=Path, default=Path("reports/causes.ndjson"))
    args = parser.parse_args()
    args.results.parent.mkdir(parents=True, exist_ok=True)
    plan = planned(args.runs, args.aa, args.seed)
    done = {line["number"] for line in _lines(args.results, args.seed)}
    left = [one for one in plan if one.number not in done]
    batches = [left[first : first + AT_ONCE] for first in range(0, len(left), AT_ONCE)]
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(carried_out, batch, args.results, args.seed) for batch in batches]:
            future.result()
    wanted = {one.number for one in plan}
    return table([line for line in _lines(args.results, args.seed) if line["number"] in wanted])


def table(lines: list[dict[str, object]]) -> int:
    """Print the counts by plant, and return the exit code."""
    total, good = (
        Counter(str(line["kind"]) for line in lines),
        Counter(str(line["kind"]) for line in lines if right(line)),
    )
    print(f"\n{'plant':<15} {'runs':>4} {'named':>6}")
    for kind in sorted(total):
        print(f"{kind or 'equal builds':<15} {total[kind]:>4} {good[kind] if kind else total[kind] - good[kind]:>6}")
    loads = sorted(float(str(line["load"])) for line in lines)
    if loads:
        print(f"load of the machine: {loads[0]:.1f} to {loads[-1]:.1f}, in the middle {loads[len(loads) // 2]:.1f}")
    named, plants = good.total() - good[""], total.total() - total[""]
    print(
        f"{named} of {plants} plants named by hop and kind, {total[''] - good['']} of {total['']} equal builds blamed"
    )
    return 0 if named >= 0.9 * plants and total[""] - good[""] <= 0.02 * total[""] else 1


if __name__ == "__main__":
    sys.exit(main())
