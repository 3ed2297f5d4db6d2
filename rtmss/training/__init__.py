"""Training the separator: a bank of takes, few-shot episodes drawn from it, losses, and the
loops.
"""
