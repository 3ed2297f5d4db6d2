"""Training the separator: a bank of tracks, few-shot episodes drawn from it, losses, and the
loops.
"""
