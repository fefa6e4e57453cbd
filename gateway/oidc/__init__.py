"""Signing in with an institute: django-allauth's exchange with the provider, and what this gateway makes of it."""
