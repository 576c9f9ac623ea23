"""Float inference: the float64 reference on keyed uniforms, and the fast float32 one."""
