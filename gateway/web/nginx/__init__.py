"""What nginx asks and tells Flask beside a request."""
