"""Float inference: float64 on keyed uniforms for comparison, and fast float32."""
