-- signals_differ: a session names the signals that it has traces of. One row per session that names others.
-- Reads recorded.sessions, recorded.traces. Takes nothing.
SELECT s.session_id, s.signals, string_agg(t.signal, ',' ORDER BY t.signal) AS found
FROM recorded.sessions AS s
LEFT JOIN (SELECT DISTINCT session_id, signal FROM recorded.traces) AS t USING (session_id)
GROUP BY ALL
HAVING s.signals IS DISTINCT FROM found;
