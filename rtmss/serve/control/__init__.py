"""OSC for the plug-in's instances, in a process of its own: addresses, instances, and what acts on
messages for them.
"""
