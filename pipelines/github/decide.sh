#!/usr/bin/env bash
# End the job by the exit code of harness. A hold passes only where the workflow said that a person is asked next.
set -euo pipefail
code=${HARNESS_EXIT_CODE:-12} # no exit code: the run itself never finished
case "$code:$HARNESS_HOLD" in
0:fail | 0:continue) ;;
10:continue | 11:continue) echo "::notice title=canary-harness::A person decides: approve the release, or reject it." ;;
*:fail | *:continue) exit "$code" ;;
*)
    echo "::error title=canary-harness::expected hold: fail or continue, found: $HARNESS_HOLD"
    exit 2
    ;;
esac
