"""Revert changes on a cluster: journal, heartbeat, rollback, reaper and watchdog."""
