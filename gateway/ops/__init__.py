"""Running it: supervisor, nginx rendering, logs."""
