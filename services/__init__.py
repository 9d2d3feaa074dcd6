"""The stages, one folder each, and the runtime that every process stands on."""
