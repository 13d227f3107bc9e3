"""Finds personal data and secrets in text and hides them: text in, text out. Knows no network and no wire."""
