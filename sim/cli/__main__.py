"""`python -m sim.cli`, the same as `recovery-bench`."""

import sys

from sim.cli import main

sys.exit(main())
