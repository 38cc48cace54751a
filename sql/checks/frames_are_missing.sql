-- frames_are_missing: the frames of a session are numbered from 0 without a gap. One row per session.
-- Reads recorded.frames. Takes nothing.
SELECT session_id, count(*) AS row_count, min(frame) AS first_frame, max(frame) AS last_frame
FROM recorded.frames
GROUP BY session_id
HAVING min(frame) <> 0 OR max(frame) + 1 <> count(*);
