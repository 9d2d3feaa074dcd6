"""The dashboards, as code. ``python -m deploy.grafana`` writes ``dashboards/``, which Grafana is provisioned with.

`panels` knows what Grafana's JSON looks like, `queries` what to ask Prometheus; each of the other modules is a page or a few.
"""
