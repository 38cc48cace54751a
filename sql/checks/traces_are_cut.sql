-- traces_are_cut: each unit has every frame of its session in a signal. One row per session, signal and unit.
-- Reads recorded.traces, recorded.sessions. Takes nothing.
SELECT t.session_id, t.signal, t.unit_id, count(*) AS row_count, any_value(s.frame_count) AS frame_count
FROM recorded.traces AS t
JOIN recorded.sessions AS s USING (session_id)
GROUP BY t.session_id, t.signal, t.unit_id
HAVING count(*) IS DISTINCT FROM any_value(s.frame_count)
    OR max(t.frame) + 1 IS DISTINCT FROM any_value(s.frame_count);
