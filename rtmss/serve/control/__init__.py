"""OSC for the plug-in's instances, in a process of its own: a table of addresses, a desk with all
instances, a dispatcher between them.
"""
