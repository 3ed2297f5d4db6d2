"""Cues: a set list with all that it needs in memory, and what plays it."""
