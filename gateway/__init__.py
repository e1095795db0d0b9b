"""A gateway for private files: Flask decides, nginx delivers."""

__version__ = "0.1.0"
