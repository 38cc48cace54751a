"""What a file says it holds, against what it really holds: an absurd promise is refused before memory is given."""

from storage.readers.recording import Refusal

MOST_UNQUESTIONED_BYTES = 64 * 2**20
# Deflate reaches 1,032 at most, of zeros alone; measured traces, masks and images stay under 50.
MOST_TIMES_STORED = 200


def require_likely_size(declared_bytes: int, stored_bytes: int, field: str, refused: Refusal) -> None:
    """Raises what ``refused`` makes when more than 64 MiB are declared, and more than 200 times what is stored."""
    if declared_bytes > max(MOST_UNQUESTIONED_BYTES, MOST_TIMES_STORED * stored_bytes):
        found = f"{declared_bytes} bytes declared, {stored_bytes} bytes stored"
        raise refused(field=field, found=found, expected=f"at most {MOST_TIMES_STORED} times what is stored")


def shown(error: BaseException) -> str:
    """The error as one line for a refusal: its name, and the first 300 characters of what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
