"""Training music made up by rule and played by soundfonts and oscillators, written as a folder of
stems.
"""
