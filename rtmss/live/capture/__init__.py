"""Conditions by ear: clips taken while it plays, and a process that makes conditions of them."""
