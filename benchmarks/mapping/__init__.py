"""Mapping networks onto chips: wall time, peak memory, cores and their proven bound."""
