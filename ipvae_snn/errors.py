"""The error classes that users meet; every message says who, the value, the limit and the mend."""


class IpvaeError(Exception):
    """Base of all errors that the command line reports as one clear line."""


class ConfigError(IpvaeError):
    """A setting is unknown, of the wrong type or outside its limits."""


class DataError(IpvaeError):
    """Images are missing, of the wrong size, not finite or out of range."""


class FileFormatError(IpvaeError):
    """A file is missing, truncated, foreign, or of a newer version."""


class ConversionError(IpvaeError):
    """A float network cannot be expressed within the integer program's limits."""


class BackendError(IpvaeError):
    """A back end failed while it ran."""


class BackendUnavailableError(BackendError):
    """A back end cannot run here; the message says what to install."""


class DivergedError(IpvaeError):
    """Two back ends that must agree do not."""


class TrainingError(IpvaeError):
    """Training left the region where it can succeed (not finite, silent, or run away)."""


class ProgramError(IpvaeError):
    """An integer program breaks a structural rule of its specification."""


class SaturatedError(IpvaeError):
    """A run saturated, or a back end cannot tell, where the user asked that it must not."""


class FitError(IpvaeError):
    """A network breaks a limit of the chip that it was to be placed on."""
