-- attributes_are_not_json: attributes and metadata are JSON. One row per row where they are not.
-- Reads recorded.sessions, recorded.units, recorded.events, recorded.trials. Takes nothing.
SELECT 'sessions' AS in_table, session_id, NULL AS number FROM recorded.sessions WHERE NOT json_valid(metadata)
UNION ALL
SELECT 'units', session_id, unit_id FROM recorded.units WHERE NOT json_valid(attributes)
UNION ALL
SELECT 'events', session_id, event_id FROM recorded.events WHERE NOT json_valid(attributes)
UNION ALL
SELECT 'trials', session_id, trial_id FROM recorded.trials WHERE NOT json_valid(attributes);
