"""``python -m tests.suite``: what ``make test`` runs. Arguments replace the directories of tests."""

import sys

from tests.suite.parts import DIRECTORIES, main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or DIRECTORIES))
