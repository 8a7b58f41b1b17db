"""Records of runs made readable: tables, figures, one HTML page. Imports no torch."""

from limbeck.report.record import RunRecord, read_run

__all__ = ["RunRecord", "read_run"]
