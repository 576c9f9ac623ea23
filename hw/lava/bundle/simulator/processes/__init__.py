"""Lava Processes and their fixed-point models; they import numpy and lava, nothing of ours.

Every Process has a folder to itself: Lava's compiler executes each other file that lies beside
one, outside of its package, where relative imports fail. Within a folder alone, nothing is
executed twice, and the Processes work under whatever name this package is copied to.
"""
