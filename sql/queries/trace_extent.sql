-- trace_extent: the units that have a signal in a session, and how many frames it has. One row.
-- Reads recorded.traces. Takes $session_id, $signal.
SELECT
    coalesce(list_sort(list(DISTINCT unit_id)), []) AS units,
    max(frame) + 1 AS frame_count
FROM recorded.traces
WHERE session_id = $session_id AND signal = $signal;
