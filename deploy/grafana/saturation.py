"""The page that tells what is nearly full, all processes side by side."""

from deploy.grafana.curves import lines, stack
from deploy.grafana.dashboard import Dashboard, Row
from deploy.grafana.kinds import table
from deploy.grafana.panels import Query
from deploy.grafana.queries import of, quantile, rate

_ALL = of(".*")
_EACH = "{{job}} {{instance}}"

SATURATION = Dashboard(
    "antiphon-saturation",
    "Antiphon / Saturation",
    "What is nearly full: places, engines, event loops, CPUs, memory. Whatever is nearest to its end is the next bottleneck.",
    ".*",
    (
        Row(
            "Places",
            [
                lines(
                    "Places taken",
                    "Streams open, of those that a replica carries in real time. At 1 the next stream goes to another replica.",
                    "percentunit",
                    Query(
                        f"sum by (job, instance) (antiphon_streams_open{_ALL}) / "
                        f"sum by (job, instance) (antiphon_streams_capacity{_ALL})",
                        _EACH,
                    ),
                    most=1,
                ),
                stack(
                    "Refused because full",
                    "Streams a minute.",
                    "opm",
                    Query(
                        f"60 * {rate('antiphon_streams_refused_total', _ALL, 'job, instance')}",
                        _EACH,
                    ),
                ),
            ],
        ),
        Row(
            "Waiting",
            [
                lines(
                    "Wait for the engine, p95",
                    "By stage and kind of work.",
                    "s",
                    Query(
                        quantile(
                            "0.95", "antiphon_queue_wait_seconds", _ALL, "stage, work"
                        ),
                        "{{stage}} {{work}}",
                    ),
                ),
                lines(
                    "Event loop late, p99",
                    "How late a process came to what was due: its one thread for messages was busy, or the machine was.",
                    "s",
                    Query(
                        quantile(
                            "0.99", "antiphon_loop_lag_seconds", _ALL, "job, instance"
                        ),
                        _EACH,
                    ),
                ),
                lines(
                    "Real-time factor, p95",
                    "Time in the engine for a second of audio. From 1 on a stage cannot keep up.",
                    "short",
                    Query(
                        quantile(
                            "0.95", "antiphon_real_time_factor", _ALL, "stage, work"
                        ),
                        "{{stage}} {{work}}",
                    ),
                ),
            ],
        ),
        Row(
            "Machine",
            [
                lines(
                    "CPU",
                    "Cores that each process uses.",
                    "short",
                    Query(
                        rate("process_cpu_seconds_total", _ALL, "job, instance"), _EACH
                    ),
                ),
                lines(
                    "Memory",
                    "Resident, by process. It is level after the start; what rises by the hour leaks.",
                    "bytes",
                    Query(
                        f"sum by (job, instance) (process_resident_memory_bytes{_ALL})",
                        _EACH,
                    ),
                ),
                lines(
                    "Open files and sockets",
                    "Of those that a process may have.",
                    "percentunit",
                    Query(
                        f"sum by (job, instance) (process_open_fds{_ALL}) / "
                        f"sum by (job, instance) (process_max_fds{_ALL})",
                        _EACH,
                    ),
                ),
                lines(
                    "Time since the start",
                    "What falls to 0 was started anew.",
                    "s",
                    Query(
                        f"time() - max by (job, instance) (process_start_time_seconds{_ALL})",
                        _EACH,
                    ),
                ),
                stack(
                    "Spans lost",
                    "A minute, because the collector took them too slowly or not at all. Traces have holes then; turns do not suffer.",
                    "opm",
                    Query(
                        f"60 * {rate('antiphon_spans_lost_total', _ALL, 'job, instance')}",
                        _EACH,
                    ),
                ),
                table(
                    "What runs",
                    "Version and Python of every process.",
                    Query(f"antiphon_build_info{_ALL}", once=True, form="table"),
                    "__name__",
                ),
            ],
        ),
    ),
)
