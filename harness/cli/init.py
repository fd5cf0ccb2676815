"""``harness init``: write the files with which a user's service gets its first verdict."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from harness.cli.init_files import Project, files_of
from harness.cli.output import clean_print as print
from harness.config import read_config
from harness.errors import UsageError
from harness.mesh.command_checks import require_commands
from harness.mesh.services import needed_workloads

HELP = (
    "Write harness.yaml, a first scenario, a load profile and a CI file for your service. Answers come from the "
    "options, from the Deployments of a cluster or, on a terminal, from questions. No file is overwritten without "
    "--force."
)
EXAMPLES = """\
  harness init                      ask for everything
  harness init shop --service shop --baseline "python app.py --port {port}" --canary "python new/app.py --port {port}"
  harness init --service reviews --baseline "./reviews {port}" --dependency "ratings=./ratings {port}" \
--calls RATINGS_URL=ratings
  harness init --from-cluster --service reviews --namespace shop --context staging
"""
_SETTINGS = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""Files in which pytest may have its settings already."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="folder of the project")
    parser.add_argument("--service", metavar="NAME", help="name of the service under test")
    parser.add_argument("--baseline", metavar="COMMAND", help="command that starts the running build on port {port}")
    parser.add_argument("--canary", metavar="COMMAND", help="command that starts the new build (default: the same)")
    parser.add_argument("--path", help="path that the first load profile requests (default: /)")
    parser.add_argument(
        "--health", metavar="PATH", help="path that answers when the service is ready (default: --path)"
    )
    parser.add_argument(
        "--dependency",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="a service that it calls, which gets faults; may be repeated",
    )
    parser.add_argument(
        "--calls",
        action="append",
        default=[],
        metavar="VARIABLE=NAME",
        help="environment variable that holds the URL of a dependency; may be repeated",
    )
    parser.add_argument("--ci", choices=("github", "gitlab", "none"), default="github", help="CI file to write")
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")
    parser.add_argument("--from-cluster", action="store_true", help="read the service's versions from its Deployments")
    cluster = parser.add_argument_group("cluster", "where --from-cluster looks")
    cluster.add_argument("--kubeconfig", type=Path, metavar="FILE", help="as for kubectl (default: $KUBECONFIG)")
    cluster.add_argument("--context", help="kube context (default: the current one)")
    cluster.add_argument("-n", "--namespace", help="namespace of the service")


def run(args: argparse.Namespace) -> int:
    """Write the files and return 0. Raises UsageError if an answer is missing or a file exists."""
    ask = _asker() if sys.stdin.isatty() and sys.stderr.isatty() else None
    project = _from_cluster(args, ask) if args.from_cluster else _local(args, ask)
    has_settings = any((args.folder / name).exists() for name in _SETTINGS)
    files = files_of(project, ci=args.ci, with_pytest=not has_settings)
    _write(args.folder, files, force=args.force)
    for name in files:
        print(f"wrote  {args.folder / name}")
    config = read_config((args.folder / "harness.yaml").absolute())
    if not args.from_cluster:
        require_commands(config, needed_workloads(config))
    go = "" if args.folder == Path() else f"cd {shlex.quote(str(args.folder))} && "
    print(f"next   {go}harness run" if not args.from_cluster else f"next   {go}harness plan")
    return 0


Ask = Callable[[str, str], str]
"""Asks a question with a default, and returns the answer."""


def _asker() -> Ask:
    def ask(question: str, default: str) -> str:
        sys.stderr.write(f"{question}{f' [{default}]' if default else ''}: ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
        if not answer:
            raise UsageError(f"{question}: expected an answer, found the end of the input")
        return answer.strip() or default

    return ask


def _answer(given: str | None, ask: Ask | None, question: str, *, option: str, default: str = "") -> str:
    """Return what the option gave or, on a terminal, what the user answers. Raises UsageError if neither is there."""
    if given is not None:
        return given
    found = default if ask is None else ask(question, default)
    if not found:
        raise UsageError(f"init: expected {option}, found nothing: {question[0].lower()}{question[1:]}")
    return found


def _local(args: argparse.Namespace, ask: Ask | None) -> Project:
    here = args.folder.absolute().name
    service = _answer(args.service, ask, "Name of the service", option="--service", default=here if ask else "")
    baseline = _answer(
        args.baseline, ask, "Command that starts the running build ({port} is the port)", option="--baseline"
    )
    canary = _answer(args.canary, ask, "Command that starts the new build", option="--canary", default=baseline)
    path = _answer(args.path, ask, "Path that the load requests", option="--path", default="/")
    health = _answer(args.health, ask, "Path that answers when it is ready", option="--health", default=path)
    dependencies = _pairs(args.dependency, "--dependency", "NAME=COMMAND")
    calls = _pairs(args.calls, "--calls", "VARIABLE=NAME")
    if ask is not None and not dependencies:
        _ask_dependencies(ask, dependencies, calls)
    for variable, name in calls.items():
        if name not in dependencies:
            known = ", ".join(dependencies) or "none"
            raise UsageError(f"--calls {variable}={name}: expected a --dependency, found {name!r}; known: {known}")
    for option, text in (("--path", path), ("--health", health)):
        if not text.startswith("/"):
            raise UsageError(f"{option}: expected a path that starts with /, found {text!r}")
    for command in (baseline, canary, *dependencies.values()):
        _check_words(command)
    return Project(
        service=service,
        baseline=baseline,
        canary=canary,
        path=path,
        health=health,
        dependencies=dependencies,
        calls=calls,
    )


def _ask_dependencies(ask: Ask, dependencies: dict[str, str], calls: dict[str, str]) -> None:
    """Add the services that the user names, until the name is empty, and the variables that hold their URLs."""
    while name := ask("Name of a service that it calls, which gets faults (empty: no more)", ""):
        command = ask(f"Command that starts {name} ({{port}} is the port)", "")
        dependencies |= _pairs([f"{name}={command}"], "--dependency", "NAME=COMMAND")
        variable = ask(f"Environment variable that holds the URL of {name} (empty: none)", "")
        if variable:
            calls[variable] = name


def _check_words(command: str) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"expected a command as for a shell, found {command!r}: {error}") from error
    if not words:
        raise UsageError("expected a command, found an empty text")


def _pairs(words: Iterable[str], option: str, shape: str) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, found, value = word.partition("=")
        if not (found and name.strip() and value.strip()):
            raise UsageError(f"{option}: expected {shape}, found {word!r}")
        pairs[name.strip()] = value.strip()
    return pairs


def _from_cluster(args: argparse.Namespace, ask: Ask | None) -> Project:
    """Return what the Deployments and the Service of a namespace say; the newer version is the canary."""
    from harness.clients.kubernetes.types import as_deployment, as_service, template_of
    from harness.mesh.cluster.connection import connected
    from harness.model.cluster import ClusterSettings

    namespace = _answer(args.namespace, ask, "Namespace", option="--namespace")
    with closing(connected(ClusterSettings(kubeconfig=args.kubeconfig, context=args.context), None)) as kube:
        deployments = sorted(
            map(as_deployment, kube.list("Deployment", namespace)),
            key=lambda one: str(one["metadata"].get("creationTimestamp")),
        )
        services = {one["metadata"]["name"]: one for one in map(as_service, kube.list("Service", namespace))}
        context = args.context or kube.context
    versions: dict[str, list[str]] = {}
    for deployment in deployments:
        labels = template_of(deployment).get("labels") or {}
        if labels.get("app") in services and labels.get("version"):
            versions.setdefault(labels["app"], []).append(labels["version"])
    pairs = sorted(name for name, found in versions.items() if len(found) > 1)
    service = _answer(args.service, ask, "Name of the service", option="--service", default=pairs[0] if pairs else "")
    found = versions.get(service, [])
    if len(found) < 2:
        raise UsageError(
            f"--service {service}: expected two Deployments in namespace {namespace} with the label app={service} and "
            f"two values of the label version, found {len(found)}; services with two: {', '.join(pairs) or 'none'}"
        )
    ports = services[service]["spec"].get("ports")
    if not ports:
        raise UsageError(f"Service {namespace}/{service}: expected a port, found none; load could not reach it")
    return Project(
        service=service,
        versions=(found[-2], found[-1]),
        path=args.path or "/",
        health=args.health or args.path or "/",
        context=context,
        namespace=namespace,
        url=f"http://{service}.{namespace}:{ports[0]['port']}",
    )


def _write(folder: Path, files: dict[str, str], *, force: bool) -> None:
    """Write the files. Raises UsageError, and writes none, if one of them exists and ``force`` is not set."""
    present = [name for name in files if (folder / name).exists()]
    if present and not force:
        raise UsageError(f"{folder}: expected no {', '.join(present)}, found them; --force overwrites them")
    for name, text in files.items():
        file = folder / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{file}: expected a file that can be written: {error}") from error
