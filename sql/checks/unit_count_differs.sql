-- unit_count_differs: recorded.units has as many units of a session as recorded.sessions says. One row per session.
-- Reads recorded.sessions, recorded.units. Takes nothing.
SELECT s.session_id, s.unit_count, count(u.unit_id) AS row_count
FROM recorded.sessions AS s
LEFT JOIN recorded.units AS u USING (session_id)
GROUP BY s.session_id, s.unit_count
HAVING s.unit_count <> count(u.unit_id);
