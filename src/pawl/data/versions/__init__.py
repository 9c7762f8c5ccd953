"""Versions of a task's data: delivered, compared, cleaned."""
