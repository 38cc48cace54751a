-- session_snippets: one row per sample of every snippet of a session, by unit, event and sample.
-- Reads recorded.snippets. Takes $session_id.
SELECT unit_id, event_id, time_s, value
FROM recorded.snippets
WHERE session_id = $session_id
ORDER BY unit_id, event_id, sample;
