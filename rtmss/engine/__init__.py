"""The engine that everything plays through: a hop in, a hop out, no device."""
