-- trace_span: one row per unit and frame of a signal, for chosen units and frames from $start up to before $stop.
-- Reads recorded.traces. Takes $session_id, $signal, $units, $start, $stop.
SELECT unit_id, frame, value
FROM recorded.traces
WHERE session_id = $session_id
    AND signal = $signal
    AND list_contains($units, unit_id)
    AND frame >= $start
    AND frame < $stop
ORDER BY unit_id, frame;
