"""Prometheus' rules as the Prometheus Operator takes them: one ``PrometheusRule`` for each file of rules.

``kubectl kustomize`` can put a file into a ConfigMap, but not its content into a field; so they are written down, and a test
holds them to what they are made from.
"""

from pathlib import Path
from textwrap import indent

RULES = Path(__file__).parents[1] / "prometheus" / "rules"
MANIFEST = (
    Path(__file__).with_name("components") / "observability" / "prometheus-rules.yaml"
)

_HEAD = """\
# Made by `python -m deploy.kubernetes` from deploy/prometheus/rules; change them there.
"""
_RULE = """\
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: antiphon-{name}
  labels: {{app.kubernetes.io/name: antiphon, app.kubernetes.io/component: rules}}
spec:
"""


def manifest() -> str:
    """All of them, in one file of YAML, with the comments and the layout that they have."""
    return _HEAD + "".join(
        _RULE.format(name=path.stem) + indent(path.read_text(encoding="utf-8"), "  ")
        for path in sorted(RULES.glob("*.yml"))
    )
