"""Error messages of libtiff, which it would print on standard error while Pillow decodes."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from PIL import _imaging

_MOST: Final = 300  # bytes of a message
# void handler(const char *module, const char *format, va_list values); in all calling conventions
# that Python runs on, a va_list is passed in the place of a pointer.
_Handler: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, use_errno=True
)
# libtiff has one handler per process. Threads that decode TIFF files take turns.
_TURN: Final = threading.RLock()


@contextmanager
def errors_of_libtiff() -> Iterator[list[str]]:
    """Yield a list that receives libtiff's error messages during the block.

    Of a Pillow that hides its libtiff (linked statically, as on Windows), the list stays empty.
    """
    said: list[str] = []
    # A library's symbols are also those of the libraries that it was linked with.
    set_handler = getattr(ctypes.CDLL(_imaging.__file__), "TIFFSetErrorHandler", None)
    if set_handler is None:
        yield said
        return
    set_handler.restype, set_handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    write = ctypes.CDLL(None).vsnprintf

    def keep(module: bytes | None, form: bytes, values: Any) -> None:
        text = ctypes.create_string_buffer(_MOST)
        write(text, ctypes.c_size_t(_MOST), ctypes.c_char_p(form), ctypes.c_void_p(values))
        said.append(f"{(module or b'').decode('latin1')}: {text.value.decode('latin1')}")

    handler = _Handler(keep)
    with _TURN:
        former = set_handler(ctypes.cast(handler, ctypes.c_void_p))
        try:
            yield said
        finally:
            set_handler(former)
