"""`python -m heapfast`: the same as the command heapfast."""

import sys

from heapfast.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
