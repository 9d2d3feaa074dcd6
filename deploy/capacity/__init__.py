"""How many replicas so many conversations need. ``make capacity`` asks it; docs/scaling.md says how it counts.

`figures` reads what one replica carries, `gpu` what the benchmark of the large models wrote, `traffic` knows how often all places
of a replica are taken, `plan` puts them together, `beside` adds what else grows, `tables` and `page` show it.
"""
