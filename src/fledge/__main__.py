"""`python -m fledge` is `fledge`."""

import sys

from fledge.cli import main

if __name__ == "__main__":  # a spawned child process imports this module and must not run the command again
    sys.exit(main())
