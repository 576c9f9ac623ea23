"""Relaxations and samples of training, compared over whole runs."""
