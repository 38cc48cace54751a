-- session_frames: one row per frame of a session, in order.
-- Reads recorded.frames. Takes $session_id.
SELECT time_s
FROM recorded.frames
WHERE session_id = $session_id
ORDER BY frame;
