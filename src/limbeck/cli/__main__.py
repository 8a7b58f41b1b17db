"""``python -m limbeck.cli``, which launchers of several processes need."""

import sys

from limbeck.cli import main

sys.exit(main())
