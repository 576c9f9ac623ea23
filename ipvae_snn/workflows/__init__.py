"""What the command line, a notebook and a benchmark all call."""
