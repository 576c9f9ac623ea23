"""Error classes for users; every message gives the subject, the value, the limit and a fix."""


class IpvaeError(Exception):
    """Base of all errors that the command line reports as one clear line."""


class ConfigError(IpvaeError):
    """A setting is unknown, of the wrong type or outside its limits."""


class DataError(IpvaeError):
    """Images are missing, of the wrong size, not finite or out of range."""


class DataWarning(UserWarning):
    """Images can be read in two ways; the warning says which one was taken."""


class FileFormatError(IpvaeError):
    """A file is missing, truncated, foreign, or of a newer version."""


class ConversionError(IpvaeError):
    """A float network cannot be expressed within the integer network's limits."""


class BackendError(IpvaeError):
    """A back end failed while it ran."""


class BackendUnavailableError(BackendError):
    """A back end cannot run here; the message says what to install."""


class DivergedError(IpvaeError):
    """Two back ends that must agree do not."""


class TrainingError(IpvaeError):
    """Training left the region where it can succeed (not finite, silent, or run away)."""


class ProgramError(IpvaeError):
    """An integer network breaks a structural rule of its specification."""


class SaturatedError(IpvaeError):
    """A run saturated, or its back end does not count saturations, and the user forbade it."""


class FitError(IpvaeError):
    """A network exceeds a limit of the chip on which it is to be placed."""
