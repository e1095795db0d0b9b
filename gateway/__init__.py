"""A gateway for private files: Flask decides, nginx delivers."""

__version__ = "0.2.0.dev0"
