"""``harness load``: send the load of one profile without a scenario, and prove that it was sent as planned."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.cli.output import clean_print as print
from harness.clients.parquet import write_samples
from harness.errors import LoadError, UsageError
from harness.load.parent.jobs import JobSettings, as_kubectl_list, render_jobs
from harness.load.parent.locust import LocustLoad, check_plan
from harness.load.parent.proofs import load_proofs, load_warnings
from harness.load.parent.summary import Row, Summary, progress_line, summarise
from harness.load.planning.load_plan import plan_load
from harness.load.planning.profile_settings import read_settings
from harness.load.planning.profiles import find_profile
from harness.load.port import Load, RunningLoad
from harness.model.load import Arrivals, LoadPlan, LoadReport
from harness.model.masking import masked
from harness.model.samples import Samples
from harness.model.units import format_duration, format_percent, parse_duration
from harness.model.verdict import Proof, Verdict
from harness.printable import printable
from harness.userinfo import without_userinfo

HELP = (
    "Send the load of one profile (an ordinary locustfile) to a URL in the open model, record every request, and "
    "check that the load was sent as planned. If it was not, its numbers prove nothing and the exit code is 11."
)
_LOG_LINES = 20
EXAMPLES = """\
  harness load browse --url http://127.0.0.1:8080 --rate 50 --duration 30s --save samples.parquet
  harness load ramp --url http://127.0.0.1:8080 --json
  harness load my/locustfile.py --url http://127.0.0.1:8080 --rate 200 --processes 2
  harness load shop --url http://127.0.0.1:8080 --users 20 --duration 1m     closed model, with think times
  harness load browse --url http://reviews:9080 --rate 500 --namespace shop --image harness:1 --workers 3
  harness load browse --url http://reviews:9080 --namespace shop --image harness:1 --render | kubectl apply -f -
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("profile", help="name of a profile in loadprofiles/, or the path of a locustfile")
    parser.add_argument("--url", required=True, help="where to send the load, such as http://127.0.0.1:8080")
    _add_pace_arguments(parser)
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME:VALUE",
        help="header to send with every request; may be repeated",
    )
    parser.add_argument(
        "--arm-header", metavar="NAME", help="response header that names the arm (default: x-harness-arm)"
    )
    parser.add_argument(
        "--profiles", type=Path, default=Path("loadprofiles"), metavar="FOLDER", help="folder of load profiles"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="Parquet file to write, with a row for every request")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    _add_cluster_arguments(parser)


def _add_pace_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, metavar="RPS", help="arrivals per second (default: the profile's, or 10)")
    parser.add_argument(
        "--duration", metavar="TIME", help="length of the load, such as 30s or 5m (default: the profile's, or 30s)"
    )
    parser.add_argument(
        "--arrivals",
        choices=[each.value for each in Arrivals],
        help="spacing of the arrivals (default: the profile's, or even)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        help="seed of Poisson arrivals and of the profile's random choices (default: the profile's, or 0)",
    )
    parser.add_argument(
        "--users", type=int, help="use the closed model with this number of users; slow answers then slow the load down"
    )
    parser.add_argument("--processes", type=int, help="worker processes on this machine (default: the profile's, or 1)")
    parser.add_argument(
        "--warm-up",
        metavar="TIME",
        help="length of the beginning that the summary leaves out (default: the profile's, or 0s)",
    )
    parser.add_argument(
        "--drain", metavar="TIME", help="how long to wait for the last answers (default: the profile's, or 10s)"
    )


def _add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    cluster = parser.add_argument_group(
        "cluster", "send the load from inside a cluster, with Jobs that are removed afterwards"
    )
    cluster.add_argument("--namespace", help="namespace of the Jobs; without it, this machine sends the load")
    cluster.add_argument("--image", help="image with this package, for the master and the workers")
    cluster.add_argument("--workers", type=int, default=2, help="number of worker pods")
    cluster.add_argument("--in-mesh", action="store_true", help="give the workers a sidecar of the mesh")
    cluster.add_argument("--cpu", default="1", help="CPU request of each pod")
    cluster.add_argument("--memory", default="512Mi", help="memory request and limit of each pod")
    cluster.add_argument("--kubeconfig", type=Path, metavar="FILE", help="as for kubectl (default: $KUBECONFIG)")
    cluster.add_argument("--context", help="kube context (default: the current one)")
    cluster.add_argument("--render", action="store_true", help="print the manifests and send nothing")
    cluster.add_argument(
        "--remove-leftovers", action="store_true", help="remove the Jobs that earlier runs left, and send nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Send the load, print a summary, and return 0 if the load was sent as planned, and 11 otherwise."""
    profile = find_profile(args.profile, [args.profiles])
    plan = _plan(args, profile)
    warm_up_s = _seconds(args.warm_up, "--warm-up") if args.warm_up else read_settings(profile).warm_up_s or 0.0
    if warm_up_s >= plan.duration_s:
        raise UsageError(
            f"expected a warm-up shorter than the load of {plan.duration_s:g} s, found {warm_up_s:g} s: nothing is left"
        )
    if args.save is not None:
        _check_save(args.save)
    if args.namespace is None and (args.render or args.remove_leftovers or args.image):
        raise UsageError("--render, --remove-leftovers and --image are for load from inside a cluster: add --namespace")
    check_plan(plan)
    if args.remove_leftovers:
        return _remove_leftovers(args)
    if args.render:
        print(as_kubectl_list(render_jobs(plan, _jobs(args), name=f"harness-load-{secrets.token_hex(4)}")))
        return 0
    ended = _carried_out(plan, _load(args))
    report, samples = ended.report, ended.samples
    summary = summarise(samples, from_s=warm_up_s, duration_s=ended.sent_s)
    proofs = load_proofs(report)
    held = all(proof.held for proof in proofs)
    if args.json:
        print(json.dumps(_document(plan, report, summary, proofs), indent=1, default=str))
    else:
        _print(plan, report, summary, proofs)
    if not held and ended.log:
        print(f"last lines of the load generator's log:\n{ended.log}", file=sys.stderr)
    if args.save is not None:  # last, so that a full disk does not cost the summary
        write_samples(args.save, samples)
        print(f"samples in {args.save}", file=sys.stderr)
    if ended.interrupted:
        raise KeyboardInterrupt
    return 0 if held else Verdict.INCONCLUSIVE.exit_code


def _check_save(out: Path) -> None:
    folder = out.absolute().parent
    if not folder.is_dir() or out.is_dir():
        raise UsageError(f"--save: expected a file in an existing folder, found {out}")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--save: expected a folder that can be written, found {folder}")


def _plan(args: argparse.Namespace, profile: Path) -> LoadPlan:
    return plan_load(
        profile,
        args.url,
        rate_rps=args.rate,
        duration_s=_seconds(args.duration, "--duration") if args.duration else None,
        headers=_headers(args.header),
        arrivals=Arrivals(args.arrivals) if args.arrivals else None,
        seed=args.seed,
        users=args.users,
        processes=args.processes,
        drain_s=_seconds(args.drain, "--drain") if args.drain else None,
        arm_header=args.arm_header.lower() if args.arm_header else None,
    )


def _seconds(text: str, what: str) -> float:
    """Return a duration in seconds. A plain number counts as seconds."""
    plain = text.strip().replace(".", "", 1).isdigit()
    return parse_duration(float(text) if plain else text, what)


def _headers(words: list[str]) -> dict[str, str]:
    mark = f"load-{secrets.token_hex(4)}"
    headers = {"x-harness-run": mark, "baggage": f"harness.run={mark}"}
    for word in words:
        name, colon, value = word.partition(":")
        if not colon or not name.strip():
            raise UsageError(f"--header: expected NAME:VALUE, found {word!r}")
        headers[name.strip().lower()] = value.strip()
    return headers


def _load(args: argparse.Namespace) -> Load:
    if args.namespace is None:
        return LocustLoad()
    from harness.clients.kubernetes.api import connect
    from harness.load.parent.cluster import ClusterLoad

    return ClusterLoad(connect(kubeconfig=args.kubeconfig, context=args.context), _jobs(args))


def _jobs(args: argparse.Namespace) -> JobSettings:
    if not args.image:
        raise UsageError("--namespace: expected --image too, to name an image with this package")
    if args.workers < 1:
        raise UsageError(f"--workers: expected at least 1, found {args.workers}")
    return JobSettings(
        namespace=args.namespace,
        image=args.image,
        workers=args.workers,
        in_mesh=args.in_mesh,
        cpu=args.cpu,
        memory=args.memory,
    )


def _remove_leftovers(args: argparse.Namespace) -> int:
    from harness.clients.kubernetes.api import connect
    from harness.load.parent.cluster import remove_load

    for what in remove_load(connect(kubeconfig=args.kubeconfig, context=args.context), args.namespace):
        print(f"removed {what}")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """Load that has ended. sent_s: seconds in which requests were due. interrupted: whether Ctrl-C ended it."""

    report: LoadReport
    samples: Samples
    sent_s: float
    interrupted: bool
    log: str


def _carried_out(plan: LoadPlan, load: Load) -> _Ended:
    interrupted = False
    with TemporaryDirectory(prefix="harness-load-") as folder, load.start(plan, Path(folder)) as running:
        try:
            _watch(plan, running)
        except KeyboardInterrupt:
            interrupted = True
        except LoadError as error:
            print(f"harness: {error.summary}", file=sys.stderr)
        sent_s = min(plan.duration_s, time.time() - running.started_at)
        report, samples = running.finish(), running.samples()
        log = "".join(path.read_text(errors="replace") for path in Path(folder).glob("*/locust.log"))
        lines = "\n".join(log.splitlines()[-_LOG_LINES:])
        return _Ended(report=report, samples=samples, sent_s=sent_s, interrupted=interrupted, log=lines)


def _watch(plan: LoadPlan, running: RunningLoad) -> None:
    """Print a line of progress each second until every request has been answered."""
    in_place = sys.stderr.isatty()
    while running.running():
        time.sleep(1.0)
        elapsed_s = time.time() - running.started_at
        line = progress_line(running.samples(), elapsed_s=elapsed_s, duration_s=plan.duration_s)
        sys.stderr.write(f"\r\x1b[K{printable(line)}" if in_place else f"{printable(line)}\n")
        sys.stderr.flush()
    if in_place:
        print(file=sys.stderr)


def _print(plan: LoadPlan, report: LoadReport, summary: Summary, proofs: tuple[Proof, ...]) -> None:
    model = f"closed model, {plan.users} users" if report.closed else f"open model, {plan.arrivals} arrivals"
    print(f"{plan.profile.stem} -> {without_userinfo(plan.url)}   {model}, {plan.duration_s:g} s, seed {plan.seed}")
    if summary.from_s:
        print(f"the first {summary.from_s:g} s are left out")
    print(f"\n{'':<32}{'requests':>9}{'errors':>9}{'rate':>9}{'p50':>10}{'p90':>10}{'p99':>10}{'max':>10}")
    for row in (*summary.operations, *summary.arms, summary.total):
        print(_line(row))
    for text, count in summary.errors:
        print(f"  {count} x {text}")
    print(
        f"\nlate     half within {format_duration(report.late_p50_s)}, 99 % within {format_duration(report.late_p99_s)}"
    )
    for proof in proofs:
        print(f"{'held   ' if proof.held else 'FAILED '}  {proof.name}: {proof.observed}")
        if not proof.held:
            print(f"         expected {proof.expected}; {proof.remedy}")
    for warning in load_warnings(report):
        print(f"warning  {warning}")


def _line(row: Row) -> str:
    times = "".join(f"{format_duration(value):>10}" for value in row.latencies_s)
    share = format_percent(row.failed / row.requests) if row.requests else "-"
    return f"{row.name[:31]:<32}{row.requests:>9}{share:>9}{row.rate_rps:>7.1f}/s{times}"


def _document(plan: LoadPlan, report: LoadReport, summary: Summary, proofs: tuple[Proof, ...]) -> dict[str, object]:
    return {
        "schema": "harness.load/1",
        "verdict": "sent as planned" if all(proof.held for proof in proofs) else Verdict.INCONCLUSIVE.value,
        "plan": masked(json.loads(json.dumps(asdict(plan), default=str))),
        "report": asdict(report),
        "summary": asdict(summary),
        "proofs": [asdict(proof) for proof in proofs],
        "warnings": load_warnings(report),
    }
