"""``python -m tnconv``: the same as the command ``tnconv``."""

import sys

from tnconv.cli import main

sys.exit(main())
