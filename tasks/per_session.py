"""The tag of tasks on one session or file whose arguments are plain values and whose results are in the lake.

Such a task runs in any process that has the settings of the same lake, and in any order among its kind.
"""

PER_SESSION = "per session"
