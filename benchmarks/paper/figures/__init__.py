"""The figures: what each collects of the measurements, draws and tabulates."""
