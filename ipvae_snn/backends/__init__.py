"""Back ends of the integer network: registry, compiled code, torch."""
