"""Sessions of the Allen Institute."""
