"""The dashboards, as code. ``python -m deploy.grafana`` writes ``dashboards/``, which Grafana is provisioned with.

`dashboard` and `panels` know what Grafana's JSON looks like, `curves` and `kinds` how we draw, `queries` what to ask Prometheus;
each of the other modules is a page or a few.
"""
