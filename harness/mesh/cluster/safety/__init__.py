"""Check what must hold before and while a cluster is changed: limits, rights, owners, targets, drift."""
