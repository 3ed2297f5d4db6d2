"""How well the separator separates, beside simple baselines and the oracle."""
