"""Running the gateway: the supervisor, gunicorn's workers, nginx's files, logs."""
