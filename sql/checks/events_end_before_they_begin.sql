-- events_end_before_they_begin: an event's offset is not before its onset. One row per event.
-- Reads recorded.events. Takes nothing.
SELECT session_id, event_id, onset_s, offset_s
FROM recorded.events
WHERE offset_s < onset_s;
