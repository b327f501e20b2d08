"""`python -m sim.cli` is the same as `recovery-bench`."""

import sys

from sim.cli import main

sys.exit(main())
