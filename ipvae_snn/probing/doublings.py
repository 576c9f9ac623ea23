"""Numbers that double: 1, 2, 4 and so on, and the last."""


def doublings(last: int) -> tuple[int, ...]:
    """Return the powers of 2 below `last`, and `last`, which is 1 or more."""
    return (*(1 << power for power in range((last - 1).bit_length())), last)
