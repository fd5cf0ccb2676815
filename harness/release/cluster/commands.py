"""Promotion by a command of the user, such as a Git commit, verified afterwards by what the pods run."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence

from harness.config import Config
from harness.errors import BuildError, MeshError, RollbackError
from harness.printable import printable
from harness.release.cluster.deployments import Running
from harness.release.cluster.images import pullable
from harness.release.ports import Pair

_PAUSE_S = 0.5


def command_of(config: Config, pair: Pair) -> tuple[str, ...]:
    """Return the command of ``release.promote`` with its placeholders filled in; empty without one."""
    words = () if config.release is None else config.release.promote_command
    image, _, digest = pullable(pair.identity).partition("@")
    values = {"{service}": pair.service, "{image}": image, "{digest}": digest}

    def filled(word: str) -> str:
        for name, value in values.items():
            word = word.replace(name, value)
        return word

    return tuple(map(filled, words))


class Command:
    """The command of one promotion."""

    def __init__(self, words: Sequence[str], config: Config, *, tell: Callable[[str], None]) -> None:
        """words: with their placeholders filled in."""
        self._words, self._config, self._tell = words, config, tell

    def promote(self, pair: Pair, rolled_out: Callable[[], None]) -> None:
        """Run the command and wait until the stable Deployment runs the build.

        rolled_out: raises while it does not. Raises MeshError if the command fails, or has no effect in time.
        """
        self._tell(f"{pair.service}: running {self._words[0]}")
        env = {**os.environ, "HARNESS_SERVICE": pair.service, "HARNESS_IMAGE": pullable(pair.identity)}
        try:
            done = subprocess.run(
                [*self._words], cwd=self._config.root, capture_output=True, text=True, check=False, env=env
            )
        except OSError as error:
            raise MeshError(f"release.promote: {self._words[0]} cannot be run: {error}") from error
        if done.returncode:
            lines = printable(f"{done.stdout}\n{done.stderr}").strip().splitlines()[-10:]
            ended = f"release.promote: {self._words[0]} ended with exit code {done.returncode}"
            raise MeshError("\n".join((ended, *lines)))
        self._await(pair, rolled_out)

    def _await(self, pair: Pair, rolled_out: Callable[[], None]) -> None:
        settings = self._config.release
        give_up = time.monotonic() + (0.0 if settings is None else settings.promote_within_s)
        while True:
            try:
                rolled_out()
            except (MeshError, BuildError) as error:
                if time.monotonic() > give_up:
                    raise MeshError(
                        f"release.promote: {self._words[0]} did not bring {pair.identity} in time: {error}"
                    ) from error
                time.sleep(_PAUSE_S)
            else:
                return

    def require_taken_back(self, image: str, running: Running) -> None:
        """Raise RollbackError if the Deployment does not have the image before the release: only the user can undo.

        image: that it has now; empty without a Deployment, as before a first release.
        """
        before = "" if running.manifest is not None else running.image
        if image != before:
            raise RollbackError(
                f"Deployment {running.deployment}: expected {before or 'it to be gone'} again, found {image}: take "
                "back what the command of release.promote did (such as a Git commit), then: harness release resume"
            )
