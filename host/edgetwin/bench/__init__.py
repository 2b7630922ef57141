"""Experiments that put figures of our own beside published ones."""
