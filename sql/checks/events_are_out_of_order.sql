-- events_are_out_of_order: events are numbered in order of onset. One row per event that begins before the one before.
-- Reads recorded.events. Takes nothing.
SELECT session_id, event_id, onset_s
FROM recorded.events
QUALIFY onset_s < lag(onset_s) OVER (PARTITION BY session_id ORDER BY event_id);
