"""Compose: settings of all processes as files that it reads, made from the settings' own classes."""
