"""Runs the shell steps of the composite action as GitHub's runner does, on this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "pipelines" / "github" / "action.yml"
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")


@dataclass
class Job:
    """One use of the action in a folder. outputs: by step; uploaded: the inputs of the upload, once it is reached."""

    folder: Path
    environment: dict[str, str]
    inputs: dict[str, str]
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    uploaded: dict[str, str] = field(default_factory=dict)
    said: str = ""
    code: int = 0

    def run(self) -> Job:
        """Carry out every step whose condition holds; a failed step skips those without ``always()``."""
        action = yaml.safe_load(ACTION.read_text())
        defaults = {name: str(one.get("default", "")) for name, one in action["inputs"].items()}
        unknown = set(self.inputs) - set(defaults)
        assert not unknown, f"the action has no inputs {sorted(unknown)}"
        self.inputs = defaults | self.inputs
        for step in action["runs"]["steps"]:
            if self._wanted(step.get("if", "")):
                self._step(step)
        return self

    def output(self, name: str) -> str:
        """Return an output of the action."""
        action = yaml.safe_load(ACTION.read_text())
        return self._filled(action["outputs"][name]["value"])

    @property
    def summary(self) -> str:
        """The job summary."""
        path = self.folder / "summary.md"
        return path.read_text() if path.exists() else ""

    def _wanted(self, condition: str) -> bool:
        words = [word.strip() for word in condition.split("&&")] if condition else []
        if self.code and "always()" not in words:
            return False
        return all(word == "always()" or self._holds(word) for word in words)

    def _holds(self, comparison: str) -> bool:
        name, found = re.fullmatch(r"inputs\.([\w-]+) != '(.*)'", comparison).groups()
        return self.inputs[name] != found

    def _step(self, step: dict[str, Any]) -> None:
        if "uses" in step:
            self.uploaded = {name: self._filled(str(value)) for name, value in step["with"].items()}
            return
        told = self.folder / "output.txt"
        told.write_text("")
        environment = {
            **self.environment,
            **{name: self._filled(value) for name, value in step.get("env", {}).items()},
            "GITHUB_ACTION_PATH": str(ACTION.parent),
            "GITHUB_OUTPUT": str(told),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_WORKSPACE": str(self.folder),
            "RUNNER_TEMP": str(self.folder / "temp"),
        }
        (self.folder / "temp").mkdir(exist_ok=True)
        where = self.folder / self._filled(step.get("working-directory", "."))
        script = self.folder / "temp" / "step.sh"
        script.write_text(self._filled(step["run"]))
        done = subprocess.run(
            [*BASH, str(script)], cwd=where, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        self.said += done.stdout + done.stderr
        self.code = self.code or done.returncode
        self.outputs[step["id"]] = dict(line.split("=", 1) for line in told.read_text().splitlines())

    def _filled(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1].strip()
            if found := re.fullmatch(r"inputs\.([\w-]+)", name):
                return self.inputs[found[1]]
            step, output = re.fullmatch(r"steps\.([\w-]+)\.outputs\.([\w-]+)", name).groups()
            return self.outputs.get(step, {}).get(output, "")

        return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def environment_with(folder: Path, **commands: str) -> dict[str, str]:
    """Return the variables of a job in which these commands are found first, each a text of Python."""
    folder.mkdir(exist_ok=True)
    for name, text in commands.items():
        (folder / name).write_text(f"#!{sys.executable}\n{text}\n")
        (folder / name).chmod(0o755)
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PATH": f"{folder}:{os.environ['PATH']}", "CI": "true"}
