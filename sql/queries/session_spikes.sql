-- session_spikes: one row per spike of a session, in order of unit and time.
-- Reads recorded.spikes. Takes $session_id.
SELECT unit_id, time_s
FROM recorded.spikes
WHERE session_id = $session_id
ORDER BY unit_id, spike;
