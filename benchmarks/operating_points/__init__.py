"""Quality of a code against what it costs: this network, encoders, LCA and PCA."""
