"""A reproduction of Kayenta's judge: it reads Kayenta's configurations and metric pairs and gives Kayenta's verdicts.

``parse_config`` and ``parse_pairs`` read Kayenta's documents. ``judge_pairs`` judges once; ``judge_windows`` judges
growing or sliding windows. ``harness.judge.kayenta.judge.KayentaJudge`` offers the same judge through the harness's
own port.
"""

from __future__ import annotations

from harness.judge.kayenta.config import CanaryConfig, Metric, Thresholds, parse_config, read_config
from harness.judge.kayenta.pairs import Pair, PairList, parse_pairs, read_pairs
from harness.judge.kayenta.reference import Course, Judgement, judge_pairs, judge_windows
from harness.judge.kayenta.schedule import Schedule

__all__ = [
    "CanaryConfig",
    "Course",
    "Judgement",
    "Metric",
    "Pair",
    "PairList",
    "Schedule",
    "Thresholds",
    "judge_pairs",
    "judge_windows",
    "parse_config",
    "parse_pairs",
    "read_config",
    "read_pairs",
]
