-- session_signals: one row per signal that a session has in recorded.traces.
-- Reads recorded.sessions. Takes $session_id.
SELECT unnest(string_split(signals, ',')) AS signal
FROM recorded.sessions
WHERE session_id = $session_id AND signals <> ''
ORDER BY signal;
