"""Lava Processes and their fixed-point models; they import numpy and lava, nothing of ours."""
