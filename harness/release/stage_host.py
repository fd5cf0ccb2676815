"""The program that is a stage: ``python -m harness.release.stage_host CONFIG FOLDER``. ``started_stage`` runs it."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

from harness.clients.processes.detached import OutlivingProcess
from harness.clients.processes.signals import signals_as_interrupts
from harness.config import Config, read_config
from harness.errors import HarnessError, MeshError, ServiceError
from harness.mesh.stage.client import Stage
from harness.mesh.stage.server import ADDRESS, serve_stage
from harness.printable import printable

_START_S, _END_S, _POLL_S = 90.0, 30.0, 0.05


def stage_folder(config: Config) -> Path:
    """Return the folder of the stage of a configuration: its logs, and the builds that were promoted on it."""
    return config.out / "stage"


def running_stage(folder: Path) -> Path | None:
    """Return the socket of the stage of this folder, or None if none runs."""
    try:
        address = Path(json.loads((folder / ADDRESS).read_bytes())["socket"])
        Stage(address).ask("hello")
    except (OSError, ValueError, KeyError, TypeError, MeshError):
        return None
    return address


def started_stage(config: Config) -> tuple[Path, bool]:
    """Return the socket of the configuration's stage, and whether it was started now.

    Raises ServiceError with the last lines of its log if it does not start.
    """
    folder = stage_folder(config)
    there = running_stage(folder)
    if there is not None:
        return there, False
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / ADDRESS).unlink(missing_ok=True)
    log = folder / "stage.log"
    words = [sys.executable, "-P", "-m", "harness.release.stage_host", str(config.file), str(config.out)]
    process = OutlivingProcess(words, log=log)
    give_up = time.monotonic() + _START_S
    while not process.ended() and time.monotonic() < give_up:
        there = running_stage(folder)
        if there is not None:
            return there, True
        time.sleep(_POLL_S)
    process.end()
    lines = printable(log.read_text(encoding="utf-8", errors="replace")).splitlines()[-20:]
    raise ServiceError("expected the stage to start, it did not\n" + "\n".join(lines))


def end_stage(folder: Path) -> bool:
    """End the stage of this folder, and return whether there was one. Raises MeshError if it does not end."""
    address = running_stage(folder)
    if address is None:
        return False
    Stage(address).ask("end")
    give_up = time.monotonic() + _END_S
    while running_stage(folder) is not None or (folder / ADDRESS).exists():
        if time.monotonic() > give_up:
            raise MeshError(f"expected the stage to end within {_END_S:g} s, it still runs; see {folder}/stage.log")
        time.sleep(_POLL_S)
    return True


def main(config: str, out: str) -> int:
    """Run the stage until a client or a signal ends it."""
    try:
        with signals_as_interrupts():
            read = dataclasses.replace(read_config(Path(config)), out=Path(out))
            serve_stage(read, stage_folder(read))
    except HarnessError as error:
        print(error, file=sys.stderr)  # noqa: T201 - its log
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
