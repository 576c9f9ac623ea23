"""Training by the plain formulation against this package's, interleaved: seconds, loss, memory."""
