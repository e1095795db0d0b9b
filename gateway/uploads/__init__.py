"""Files that come in: admission before the first byte, finalising after the last."""
