"""The only reader of configuration files."""

from harness.model.config import Config, LoadSettings, PhaseSettings, Service, Workload

__all__ = ["Config", "LoadSettings", "PhaseSettings", "Service", "Workload"]
