"""Records of runs made readable: tables, figures, one HTML page. Imports no torch."""

from limbeck.report.compare import compare_runs
from limbeck.report.page import write_report
from limbeck.report.record import RunRecord, read_run
from limbeck.report.tables import model_rows
from limbeck.report.verdict import verdict

__all__ = ["RunRecord", "compare_runs", "model_rows", "read_run", "verdict", "write_report"]
