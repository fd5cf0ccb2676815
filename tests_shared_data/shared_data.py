"""Where the data of this set of tests is: the folder that the environment variable HARNESS_TEST_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "HARNESS_TEST_DATA"


def _folder() -> Path:
    given = os.environ.get(VARIABLE, "")
    folder = Path(given).resolve()
    missing = [
        part for part in ("istio", "kayenta/cases.json", "kayenta/configs", "schemas") if not (folder / part).exists()
    ]
    if not given or missing:
        found = f"{VARIABLE}={given}, where {', '.join(missing)} is missing" if given else f"no {VARIABLE}"
        message = (
            "expected a folder with Istio's samples and CRDs in istio/, Kayenta's cases and configurations in kayenta/, and "
            f"schemas of pipelines in schemas/; found {found}. Run: make test-shared-data {VARIABLE}=FOLDER"
        )
        raise pytest.UsageError(message)
    return folder


FOLDER = _folder()
ISTIO = FOLDER / "istio"
KAYENTA = FOLDER / "kayenta"
SCHEMAS = FOLDER / "schemas"
KAYENTA_CONFIGS = sorted(p for p in (KAYENTA / "configs").iterdir() if p.suffix in {".json", ".yml", ".yaml"})
