"""Shares: links that give uploads, files and folders to others."""
