"""The live host: one process each for the supervisor, the engine, the control side and the
recorder.
"""
