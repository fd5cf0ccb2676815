"""``harness replay --try``: find the smallest change of a route or destination with which a recorded failure passes."""

from __future__ import annotations

import argparse
from dataclasses import replace

from harness.cli.output import clean_print as print
from harness.cli.replay_once import replay_once
from harness.config import Config
from harness.errors import UsageError
from harness.model.verdict import Analysis, Verdict
from harness.replay.asked import Asked
from harness.replay.changes_to_try import Try, in_order, parse_try, short_list, snippet
from harness.replay.comparing import Answer
from harness.replay.counterfactuals import Tried, at_the_service, hosts_of, smallest_that_passes, usual_p99_ms
from harness.replay.staging import Options, Stage, shortened, staged

_NOTHING_PASSES = 1


def try_changes(args: argparse.Namespace, asked: Asked, config: Config, options: Options) -> int:
    """Try the changes, print the smallest one that passes as YAML, and return 0; 1 if none passes."""
    stage, tries = planned_tries(args, asked, config, options)

    def replayed(one: Stage) -> Analysis:
        comparison = replay_once(args, one, quiet=True)
        if comparison.late:
            print("tried    this machine was too busy to send the load on time: once more", flush=True)
            comparison = replay_once(args, one, quiet=True)
        return comparison.difference.sides[1].analysis

    last: dict[Try | None, Verdict] = {}

    def tell(tried: Tried) -> None:
        last[tried.change] = tried.verdict
        print(f"tried    {tried.change or 'no change'}: {tried.verdict}, {tried.reason}", flush=True)

    def trying(number: int, change: Try | None) -> None:
        print(f"trying   {change or 'no change'}{f', {number} of {len(tries)}' if change else ''}", flush=True)

    found = smallest_that_passes(
        tries, stage, short=lambda one: replayed(shortened(one)), full=replayed, trying=trying, tell=tell
    )
    if found is None:
        return _none_found([change for change, verdict in last.items() if verdict is Verdict.INCONCLUSIVE])
    print(f"answer   {found.change} is the smallest tested change that passes: {found.verified.reason}")
    print(snippet(found.resource), end="")
    return 0


def planned_tries(
    args: argparse.Namespace, asked: Asked, config: Config, options: Options
) -> tuple[Stage, tuple[Try, ...]]:
    """Print and return the changes to try, and the stage to try them on. Raises UsageError for what cannot be tried."""
    if asked.analysis.verdict is not Verdict.FAIL:
        raise UsageError(f"--try: expected a run that failed, found one with the verdict {asked.analysis.verdict}")
    stage = at_the_service(staged(asked, config, replace(options, only_fault=False)))
    tries = _tries(args.try_, stage)
    for fault in stage.scenario.faults:
        print(f"try      {fault.words().text}: Envoy's own faults come before its timeouts and retries")
    print(f"try      from small to large: {', '.join(map(str, tries))}", flush=True)
    return stage, tries


def _tries(texts: list[str], stage: Stage) -> tuple[Try, ...]:
    hosts = hosts_of(stage)
    found: list[Try] = []
    for text in texts:
        if text == "all":
            found += short_list(hosts[0], usual_p99_ms(stage, hosts[0]))
        else:
            found.append(parse_try(text, hosts))
    return in_order(list(dict.fromkeys(found)))


def _none_found(undecided: list[Try | None]) -> int:
    """Print that no change passed, and return the exit code. undecided: changes about which nothing could be told."""
    if undecided:
        print(f"answer   cannot: no tested change passes, and {', '.join(map(str, undecided))} was not decided")
        return Answer.CANNOT.exit_code
    print("answer   no tested change passes")
    return _NOTHING_PASSES
