"""Kayenta's judge, reproduced: its configurations and metric pairs in, its verdicts out.

``parse_config`` and ``parse_pairs`` read Kayenta's documents, ``judge_pairs`` judges once,
``judge_windows`` over growing or sliding windows. ``harness.judge.kayenta.judge.KayentaJudge`` puts
the same judge behind the harness's own port.
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
