"""Faults: from a value to the edits of Istio resources that inject it, one small file a fault."""
