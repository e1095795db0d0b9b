"""The running gateway: supervisor, gunicorn workers, nginx configuration, logs."""
