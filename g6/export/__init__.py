"""Writes a table, or a query's answer, to one Parquet, CSV or Excel file; what is large goes on after a kill."""

from g6.export.plan import ExportError, Plan, make_plan
from g6.export.writing import Written, export

__all__ = ["ExportError", "Plan", "Written", "export", "make_plan"]
