"""How fast this machine is: steps of the model, the live host at its pace, memory. One command for
every figure.
"""
