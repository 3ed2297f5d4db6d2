"""The control page and OSCQuery: a web server in a thread of its own, whose WebSockets are
peers of the OSC server like any others.
"""
