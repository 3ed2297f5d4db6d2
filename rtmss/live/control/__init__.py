"""The control side's process: keys and OSC, which change the scene."""
