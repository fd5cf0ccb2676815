"""Faults: from a value to the edits of Istio resources that inject it, one small file a fault."""

from harness.faults.injection import FAULT_HEADER, fault_edits, faults_edits, http_fault

__all__ = ["FAULT_HEADER", "fault_edits", "faults_edits", "http_fault"]
