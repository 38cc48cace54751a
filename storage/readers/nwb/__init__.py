"""NWB files of anyone."""
