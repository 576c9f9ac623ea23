"""Faults of every kind in Lava runs: what a user is told, what is kept, what is left, how soon."""
