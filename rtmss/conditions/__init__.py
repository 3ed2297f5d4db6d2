"""Condition vectors with their provenance, and presets: scenes of stems made from them."""
