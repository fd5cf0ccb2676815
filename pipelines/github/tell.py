"""Turn what a run recorded into outputs of the step, annotations and a line of the job summary.

Reads bundles that are new since ``run.sh`` started, so that a report of an older run is never shown as this one's. The
verdict is that of the exit code, which decides; the score and the report are those of the worst scenario.
"""

import json
import os
import re
from pathlib import Path

VERDICTS = {0: "pass", 1: "fail", 2: "usage", 10: "marginal", 11: "inconclusive", 130: "interrupted"}
NEXT = {
    "pass": "The pipeline may promote.",
    "fail": "The canary was shown to be worse: reject it.",
    "marginal": "Worse, but not shown to exceed the tolerance: a person decides.",
    "inconclusive": "Too little evidence, or a proof failed: a person decides.",
    "usage": "Wrong usage or configuration: nothing was decided.",
    "trouble": "No verdict: the harness or its environment is in trouble.",
    "interrupted": "Interrupted: nothing was decided.",
}
LEVELS = {"fail": "error", "marginal": "warning", "inconclusive": "warning"}
WORST_FIRST = ("fail", "inconclusive", "marginal", "pass")


def main() -> None:
    """Write outputs, annotations and the summary's line."""
    code = int(os.environ.get("HARNESS_EXIT_CODE") or 12)
    verdict = VERDICTS.get(code, "trouble")
    judged = sorted(new_analyses(Path("reports")), key=lambda one: WORST_FIRST.index(one["verdict"]))
    score = min((one["score"] for one in judged), default=None)
    report = str(judged[0]["folder"] / "report.html") if judged else ""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as outputs:
        outputs.write(f"verdict={verdict}\nscore={'' if score is None else f'{score:g}'}\nreport={report}\n")
    for one in judged:
        if level := LEVELS.get(one["verdict"]):
            annotate(level, f"{one['verdict']}: {one['scenario']}", one["reason"], place(one["scenario"]))
    if verdict in {"usage", "trouble", "interrupted"}:
        annotate("error", "canary-harness", f"{NEXT[verdict]} Exit code {code}.", "")
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        told = "" if score is None else f", score {score:g} of 100"
        with Path(path).open("a") as summary:
            summary.write(f"\n**canary: {verdict}**{told}. {NEXT[verdict]}\n")


def new_analyses(reports: Path) -> list[dict]:
    """Return verdict, score, reason and scenario of each bundle that was not there before."""
    before = Path(os.environ["RUNNER_TEMP"], "harness-before")
    known = set(before.read_text().splitlines()) if before.is_file() else set()
    found = []
    for path in sorted(reports.glob("**/analysis.json")):
        folder = path.parent
        if str(path) in known or not (folder / "plan.json").is_file():
            continue
        analysis, plan = json.loads(path.read_text()), json.loads((folder / "plan.json").read_text())
        if analysis["verdict"] in WORST_FIRST:
            found.append({**{key: analysis[key] for key in ("verdict", "score", "reason")},
                          "scenario": plan["scenario"], "folder": folder})  # fmt: skip
    return found


def place(scenario: str) -> str:
    """Return the properties of an annotation that put it at the test's first line, or an empty text."""
    file, _, test = scenario.partition("::")
    if not test or not Path(file).is_file():
        return ""
    name = re.split(r"::|\[", test)[-1 if "[" not in test else -2]
    folder = os.environ.get("GITHUB_WORKSPACE", ".")
    path = os.path.relpath(file, folder)
    for number, line in enumerate(Path(file).read_text().splitlines(), 1):
        if re.match(rf"\s*(async )?def {re.escape(name)}\b", line):
            return f"file={escape(path)},line={number},"
    return f"file={escape(path)},"


def annotate(level: str, title: str, text: str, where: str) -> None:
    """Print a workflow command; GitHub reads one from each line that starts with ``::``."""
    print(f"::{level} {where}title={escape(title)}::{escape(text, also='')}")


def escape(text: str, also: str = ":,") -> str:
    """Escape a value as GitHub's runner expects it; a property also escapes colon and comma."""
    for char in ("%", "\r", "\n", *also):
        text = text.replace(char, f"%{ord(char):02X}")
    return text


if __name__ == "__main__":
    main()
