"""The numerics and the learning: arrays in, arrays out.

Nothing here knows of flows, tasks, the lake or a disk, so each function can be read, tested and timed alone.
"""
