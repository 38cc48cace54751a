-- frames_run_backwards: each frame of a session is later than the one before. One row per frame that is not.
-- Reads recorded.frames. Takes nothing.
SELECT session_id, frame, time_s
FROM recorded.frames
QUALIFY time_s <= lag(time_s) OVER (PARTITION BY session_id ORDER BY frame);
