-- session_ids_are_unfit: a session_id is made of A-Z a-z 0-9 . _ - alone. One row per session.
-- Reads recorded.sessions. Takes nothing.
SELECT session_id
FROM recorded.sessions
WHERE NOT regexp_full_match(session_id, '[A-Za-z0-9._-]{1,200}');
