"""The instances of the plug-in on a terminal, whoever has started the engine."""
