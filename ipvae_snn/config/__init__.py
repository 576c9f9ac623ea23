"""Settings of a model and its training: frozen dataclasses, TOML, presets."""
