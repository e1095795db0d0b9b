"""Django's configuration, of which a process has only one; tests override settings."""

from __future__ import annotations

from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="no secret of anybody")
