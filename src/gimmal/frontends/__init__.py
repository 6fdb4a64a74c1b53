"""Adapters for people and programs; no wire code lives here."""
