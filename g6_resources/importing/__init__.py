"""Bringing the predecessor's files into the lake: folders read, days written, and what came of it told."""

from g6_resources.importing.importer import DayResult, Importer, ImportReport

__all__ = ["DayResult", "ImportReport", "Importer"]
