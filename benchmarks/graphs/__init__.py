"""Networks beyond the two circuits: read-outs, moving images, LCA, convolutions."""
