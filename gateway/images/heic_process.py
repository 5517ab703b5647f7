"""A process that turns HEIC on its standard input into JPEG on its standard output.

What decodes HEVC is a large library in C++ that a few bytes may ask for gigabytes, so it has bounds
of its own, and the gateway's memory is not within its reach.
"""

import io
import resource
import struct
import sys

TOO_LARGE = 3
# Before a JPEG the CPU seconds that it took; of one that is too large width and height instead.
SECONDS, SIZE = struct.Struct(">d"), struct.Struct(">QQ")
_QUALITY = 95
_LIBRARIES_BYTES = 300 * 1024**2
# On its way a pixel is held in planes, in RGB for libheif and for Pillow, and in what is written.
_BYTES_PER_PIXEL = 12
_CPU_SECONDS = 30


def main() -> None:
    """Is told the most pixels and the longest side; exits with TOO_LARGE beyond them."""
    most_pixels, longest_side = map(int, sys.argv[1:])
    _limit(resource.RLIMIT_AS, _LIBRARIES_BYTES + _BYTES_PER_PIXEL * most_pixels)
    _limit(resource.RLIMIT_CPU, _CPU_SECONDS)
    _limit(resource.RLIMIT_CORE, 0)
    from pillow_heif import HeifImageFile, options  # noqa: PLC0415  within the bounds

    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    with HeifImageFile(io.BytesIO(sys.stdin.buffer.read())) as image:
        width, height = image.size
        if max(width, height) > longest_side or width * height > most_pixels:
            sys.stdout.buffer.write(SIZE.pack(width, height))
            sys.exit(TOO_LARGE)
        jpeg = io.BytesIO()
        image.convert("RGB").save(jpeg, "JPEG", quality=_QUALITY, subsampling=0)
    used = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.buffer.write(SECONDS.pack(used.ru_utime + used.ru_stime) + jpeg.getvalue())


def _limit(kind: int, most: int) -> None:
    resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
