"""``harness judge`` on a recorded run with objectives of its own."""

from __future__ import annotations

import pytest
from recorded import record

from harness import bundle
from harness.cli import main


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("error_rate{endpoint=/typo} < +1pp", "expected an endpoint of the requests, found '/typo'"),
        (
            "error_rate{phase=stedy} < +1pp",
            "expected a phase of the run, found 'stedy', did you mean 'steady'?; known: ",
        ),
    ],
)
def test_a_label_that_the_run_does_not_have_is_wrong_usage(tmp_path, capsys, objective, said):
    """A misspelt endpoint or phase is refused with the known ones, because nothing was measured for it."""
    bundle.write_bundle(record(), tmp_path / "run" / "test")
    assert main(["judge", str(tmp_path / "run" / "test"), "--objective", objective]) == 2
    assert said in capsys.readouterr().err
