"""Traces, metrics and budgets: what every process tells of itself, under names that are listed once."""
