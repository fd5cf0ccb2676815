"""Carries out runs, proves what happened in them, and decides their verdict from the record."""
