"""What of the manifests is made from other files."""
