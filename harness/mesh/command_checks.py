"""Check that the commands of services exist, before any of them is started."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

from harness.model.config import Config, Workload
from harness.model.names import did_you_mean

_INTERPRETER = re.compile(r"(python|pypy)[\d.]*|sh|bash|node|ruby|perl|php")
_PYTHON = re.compile(r"(python|pypy)[\d.]*")
_WITHOUT_VALUE = re.compile(r"-[a-zA-Z]*[bBdEiIOPqsSuvx]")
"""Options of Python that take no value, so that the script may follow."""


def require_commands(config: Config, workloads: Iterable[Workload]) -> None:
    """Raise ConfigError for a program, script or module that does not exist, with the file, line and key of it."""
    for workload in workloads:
        if workload.command is not None:
            trouble = _trouble(
                workload.command, root=workload.folder or config.root, env={**os.environ, **workload.env}
            )
            if trouble:
                raise config.error(_key(config, workload), trouble)


def _key(config: Config, workload: Workload) -> str:
    """Return the key of the command: the version's own or, by default, that of the service."""
    service = f"services.{workload.service}"
    own = f"{service}.versions.{workload.version}.command"
    return own if own in config.lines else f"{service}.command"


def _trouble(command: Sequence[str], *, root: Path, env: dict[str, str]) -> str:
    """Return what is wrong with a command that is started in ``root``, or an empty text."""
    program, *words = command
    path = str(root / program) if "/" in program else program
    if shutil.which(path, path=env.get("PATH")) is None:
        near = did_you_mean(program, _INTERPRETERS if "/" not in program else _files(root, program))
        place = f"relative to {root}" if "/" in program else "in a folder of PATH"
        return f"expected a program that can be run, found {program!r}, which is no such program {place}{near}"
    name = Path(program).name
    if not _INTERPRETER.fullmatch(name):
        return ""
    if _PYTHON.fullmatch(name):
        while words and _WITHOUT_VALUE.fullmatch(words[0]):
            words = words[1:]
        if words[:1] == ["-m"] and len(words) > 1 and program == sys.executable and "PYTHONPATH" not in env:
            return _module_trouble(words[1], root)
    script = words[0] if words else ""
    if script.startswith("-") or not Path(script).suffix or "{" in script or (root / script).is_file():
        return ""
    return f"expected a script in {root}, found no file {script!r}{did_you_mean(script, _files(root, script))}"


_INTERPRETERS = ("python", "python3", "sh", "bash", "node", "ruby", "perl", "php", "java", "go")


def _files(root: Path, name: str) -> list[str]:
    """Return the files next to the one that is missing, named as it was."""
    folder = Path(name).parent
    prefix = name[: len(name) - len(Path(name).name)]
    try:
        return sorted(f"{prefix}{file.name}" for file in (root / folder).iterdir() if file.is_file())
    except OSError:
        return []


def _module_trouble(module: str, root: Path) -> str:
    """Return what is wrong with a module that Python is to run, without importing any part of it."""
    places: Sequence[str] | None = [str(root), *sys.path]
    parts = module.split(".")
    for depth, name in enumerate(accumulate(parts, "{}.{}".format), start=1):
        found = PathFinder.find_spec(name, places) or (_installed(name) if depth == 1 else None)
        if found is None:
            known = [".".join([*parts[: depth - 1], one]) for one in _modules(places or ())]
            near = did_you_mean(module, known) or did_you_mean(name, known)
            return f"expected a module that Python can run, found no module {module!r}{near}"
        places = found.submodule_search_locations
        if places is None:
            return ""
    return ""


def _installed(name: str) -> ModuleSpec | None:
    """Return where a package or module is that is not in a folder of ``sys.path``, such as an editable installation."""
    try:
        return find_spec(name)
    except (ImportError, ValueError):
        return None


def _modules(places: Iterable[str]) -> list[str]:
    """Return the modules and packages in folders."""
    folders = [Path(place) for place in places if Path(place).is_dir()]
    return sorted({file.stem for folder in folders for file in folder.iterdir() if file.suffix in ("", ".py")})
