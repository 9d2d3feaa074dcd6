"""Keeps the processes of one machine running: starts them in order, restarts what dies or hangs, stops all, leaves no orphan."""

from antiphon.supervisor.health import GrpcHealth, HttpHealth, Probe
from antiphon.supervisor.restarts import RestartPolicy, Restarts
from antiphon.supervisor.spec import Observer, ProcessSpec, State
from antiphon.supervisor.supervisor import CannotStart, Supervisor
from antiphon.supervisor.watch import WatchPolicy

__all__ = [
    "CannotStart",
    "GrpcHealth",
    "HttpHealth",
    "Observer",
    "Probe",
    "ProcessSpec",
    "RestartPolicy",
    "Restarts",
    "State",
    "Supervisor",
    "WatchPolicy",
]
