"""The image: linted always; built and run for real by ``make image-check``."""

from __future__ import annotations

import json

import image_build
import pytest
from checkers import BIN, DEPLOY, run

DOCKERFILE = DEPLOY / "image" / "Dockerfile"


def test_hadolint_accepts_the_dockerfile_and_finds_a_mistake(tmp_path):
    """No finding of any severity."""
    assert (0, "") == run(BIN / "hadolint", DOCKERFILE)
    broken = tmp_path / "Dockerfile"
    broken.write_text(DOCKERFILE.read_text().replace("WORKDIR /work", "WORKDIR work"))
    assert "DL3000" in run(BIN / "hadolint", broken)[1]


@pytest.fixture(scope="module")
def image():
    """The built image and its root file system."""
    if lacking := image_build.missing():
        pytest.fail(f"make image-check needs {', '.join(lacking)}: apt-get install buildah mmdebstrap, as root")
    name = image_build.built()
    with image_build.root_file_system(name) as root:
        yield name, root
    image_build.buildah("rmi", "--all", "--force")


@pytest.fixture
def inside(image):
    """Runs a command in the image, with its variables, as its user."""
    name, root = image
    variables = dict(line.split("=", 1) for line in settings(name)["Env"])
    return lambda *words: image_build.as_nobody(root, variables, *words)


def settings(name):
    """The configuration of the image."""
    return json.loads(image_build.buildah("inspect", "--type", "image", name))["OCIv1"]["config"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_image_runs_as_a_user_without_rights(image, inside):
    """The harness is its entry point, and nothing but /tmp and reports/ can be written."""
    assert ("65532:65532", ["harness"]) == (settings(image[0])["User"], settings(image[0])["Entrypoint"])
    code, said = inside(
        "sh", "-c", "id -u; touch /work/x /etc/x /opt/harness/x; touch /tmp/x /work/reports/x && echo written"
    )
    assert (0, "65532", 3) == (code, said.splitlines()[0], said.count("Read-only file system"))
    assert "written" in said


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_image_is_small(image):
    """It has no pip, no compiler and no tests of libraries; its own layer stays under 700 MB."""
    packages = next((image[1] / "opt/harness/lib").glob("python3*")) / "site-packages"
    assert not {"pip", "setuptools", "mypy", "hypothesis"} & {path.name for path in packages.iterdir()}
    assert not (packages / "scipy/stats/tests").exists()
    size_mb = sum(path.lstat().st_size for path in (image[1] / "opt/harness").rglob("*") if not path.is_symlink()) / 1e6
    assert size_mb < 700


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_harness_works_inside(inside):
    """Version, doctor, every command's parser, and a demo with real Envoy and real load."""
    assert (0, "harness 0.1.0\n") == inside("harness", "--version")
    code, said = inside("harness", "doctor")
    assert 0 == code, said
    assert 0 == inside("harness", "serve", "--help")[0]
    code, said = inside("harness", "demo", "--canary", "errors")
    assert code in {1, 11}, said  # a busy machine may leave it inconclusive
    assert "report   reports/" in said
