"""Resumable uploads by tus 1.0.0: sessions, chunks, concatenation."""
