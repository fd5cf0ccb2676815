"""Runs a scenario: phases, guard, proofs; writes the record, and decides from the record alone."""
