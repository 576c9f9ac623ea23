"""Lava Processes and their fixed-point models; they import numpy and lava only.

Every Process has its own folder: Lava's compiler executes each other file beside a Process,
outside of its package, where relative imports fail. With one folder per Process, no file is
executed twice, and the Processes work under any name of this package.
"""
