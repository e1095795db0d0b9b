"""The settings: what may be set, how it is checked, and where files lie."""
