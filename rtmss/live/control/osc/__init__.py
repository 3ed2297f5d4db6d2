"""Remote control over Open Sound Control: a table of addresses, a dispatcher without sockets, a
server around it.
"""
