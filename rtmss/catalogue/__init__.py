"""Everything that somebody has, rendered by one command: on the processors of one machine, or on
Ray.
"""
