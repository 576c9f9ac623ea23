"""The float models: formulas as pure functions, parameters, checkpoints."""
