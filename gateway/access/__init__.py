"""Who may use the gateway, and how much: keys, limits, origins of web pages, certificates."""

from gateway.access.access import Access, Caller
from gateway.access.limits import Limits, Meter

__all__ = ["Access", "Caller", "Limits", "Meter"]
