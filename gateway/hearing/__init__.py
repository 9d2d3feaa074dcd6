"""Audio in, speech events out."""
