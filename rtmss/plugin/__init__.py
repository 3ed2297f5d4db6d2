"""The plug-in for DAWs: how it is built, installed and tried."""
