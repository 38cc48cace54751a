-- session_indicator: the calcium indicator that a session names. One row.
-- Reads recorded.sessions. Takes $session_id.
SELECT indicator
FROM recorded.sessions
WHERE session_id = $session_id;
