"""`python -m bench`: the command line of command.py, where heapfast is not installed as a command.

In      argv
Out     an exit status
Callers `python -m bench`, tox -e bench
Never   does anything else
"""

import sys

from bench.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
