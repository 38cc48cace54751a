-- session_onsets: one row per image and omission of a session, in order of onset.
-- Reads recorded.events. Takes $session_id.
SELECT onset_s, CASE kind WHEN 'omission' THEN 'omitted' ELSE 'presented' END AS condition
FROM recorded.events
WHERE session_id = $session_id AND kind IN ('image', 'omission')
ORDER BY onset_s, event_id;
