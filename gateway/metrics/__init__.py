"""What the gateway counts, in files that all of its processes share."""
