"""Faults of every kind in Lava runs: message, kept images, remains, seconds."""
