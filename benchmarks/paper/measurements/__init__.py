"""What is measured of a trained network, a module each; `stored` keeps the results."""
