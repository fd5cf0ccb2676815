"""Routing APIs: how a split, an arm mark and a fault become edits of the resources that govern a host."""
