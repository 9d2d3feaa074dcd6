"""The gateway's end of each stage's contract."""
