"""Feature-based knowledge: losses on maps of one or several layers."""

from cases.case import Case

CASES: list[Case] = []
