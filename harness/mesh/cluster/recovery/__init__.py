"""Undo on a cluster: journal, signs of life, rollback, reaper and watchdog."""
