"""Relation-based knowledge: losses on how samples, or channels, relate to one another."""

from cases.case import Case

CASES: list[Case] = []
