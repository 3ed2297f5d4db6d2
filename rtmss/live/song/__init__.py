"""A song in the place of an input: decoded once, then played with jumps and loops."""
