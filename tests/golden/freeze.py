"""Print golden values for losses: ``python tests/golden/freeze.py DKD RKDAngle``.

The value and the norm of the gradient come from the loss's derivation alone, so a wrong implementation cannot freeze
itself.
"""

import sys
from math import hypot
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cases import CASES
from golden import slope, waves


def main(names: list[str]) -> None:
    unknown = set(names) - {case.made.__name__ for case in CASES}
    if unknown:
        sys.exit(
            f"No entry in tests/cases for {', '.join(sorted(unknown))}: add its Case first, without frozen."
        )
    for case in CASES:
        if case.made.__name__ in names:
            small, student, teacher, loss = waves(case)
            value = small.expected(student, teacher, loss)
            norm = hypot(*(slope(small, student, teacher, loss, each) for each in range(student.numel())))
            print(f"{case}: frozen=({value:.10g}, {norm:.10g})")


if __name__ == "__main__":
    main(sys.argv[1:])
