"""MIDI controllers: ports, what their controls are bound to, and their lights."""
