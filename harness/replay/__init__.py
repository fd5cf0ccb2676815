"""Bring a recorded run to this machine: packed bundles, stand-ins for dependencies, replays and what they tell."""
