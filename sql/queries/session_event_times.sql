-- session_event_times: one row per event of these kinds in a session that has a time, in order of onset.
-- Reads recorded.events. Takes $session_id, $kinds.
SELECT kind, name, image_name, onset_s
FROM recorded.events
WHERE session_id = $session_id AND list_contains($kinds, kind) AND onset_s IS NOT NULL
ORDER BY onset_s, event_id;
