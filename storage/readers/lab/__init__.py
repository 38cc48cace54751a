"""A lab's own files, described by their owner."""
