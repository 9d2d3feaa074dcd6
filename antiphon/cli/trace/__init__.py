"""``antiphon trace``: the last turns of a gateway as waterfalls, in the terminal or as a page for a bug report."""
