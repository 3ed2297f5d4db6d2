"""The engine side of the plug-in: finds instances, and plays for each."""
