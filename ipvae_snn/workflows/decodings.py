"""Decodings that a user asks for in place of a network's own."""

from ipvae_snn.ir.decoding import SAMPLE, Decoding, decoding_of
from ipvae_snn.ir.network import IntegerNetwork

__all__ = ["Decoding", "asked_decoding", "decoded", "decoded_by"]


def asked_decoding(text: str | None) -> Decoding | None:
    """Return the decoding that a user names, None for the network's own; ConfigError as it is."""
    return None if text is None else decoding_of(text)


def decoded(network: IntegerNetwork, decoding: Decoding | None) -> IntegerNetwork:
    """Return the network with a decoding in place of its own, unless that is None.

    Raises ProgramError where the network cannot have it.
    """
    return network if decoding is None else network.with_decoding(decoding)


def decoded_by(decoding: Decoding) -> str:
    """Return what a line of figures says of a decoding: nothing of a sample."""
    return "" if decoding == SAMPLE else f"; decoded by {decoding}"
