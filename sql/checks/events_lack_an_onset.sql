-- events_lack_an_onset: an event has an onset where the session has frames. One row per event that has none.
-- Reads recorded.events, recorded.sessions. Takes nothing.
SELECT e.session_id, e.event_id
FROM recorded.events AS e
JOIN recorded.sessions AS s USING (session_id)
WHERE e.onset_s IS NULL AND s.frame_count IS NOT NULL;
