"""What images are made with."""
