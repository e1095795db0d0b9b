"""Uploads: admission before the body is read, finalising after its last byte."""
