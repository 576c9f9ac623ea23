"""Mapping networks onto chips: wall time, peak memory, cores found beside the proven bound."""
