"""Float and integer inference side by side on the same uniforms."""
