-- session_onsets: one row per event of these kinds in a session, in order of onset; omissions, and all others as presented.
-- Reads recorded.events. Takes $session_id, $kinds.
SELECT event_id, onset_s, CASE kind WHEN 'omission' THEN 'omitted' ELSE 'presented' END AS condition
FROM recorded.events
WHERE session_id = $session_id AND list_contains($kinds, kind)
ORDER BY onset_s, event_id;
