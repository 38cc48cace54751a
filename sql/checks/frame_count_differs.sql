-- frame_count_differs: recorded.frames has as many rows of a session as recorded.sessions says. One row per session.
-- Reads recorded.sessions, recorded.frames. Takes nothing.
SELECT s.session_id, s.frame_count, count(f.frame) AS row_count
FROM recorded.sessions AS s
LEFT JOIN recorded.frames AS f USING (session_id)
GROUP BY s.session_id, s.frame_count
HAVING coalesce(s.frame_count, 0) <> count(f.frame);
