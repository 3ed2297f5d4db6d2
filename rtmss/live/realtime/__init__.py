"""The engine's process: steps what comes in, in time."""
