-- traces_lack_units: each unit of a session with frames has traces. One row per unit that has none.
-- Reads recorded.units, recorded.sessions, recorded.traces. Takes nothing.
SELECT u.session_id, u.unit_id
FROM recorded.units AS u
JOIN recorded.sessions AS s USING (session_id)
WHERE s.frame_count IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM recorded.traces AS t WHERE t.session_id = u.session_id AND t.unit_id = u.unit_id
    );
