"""`python -m rtmss` is the command line."""

from rtmss.cli import main

main()
