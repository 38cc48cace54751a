-- session_units: one row per unit of a session.
-- Reads recorded.units. Takes $session_id.
SELECT unit_id, structure
FROM recorded.units
WHERE session_id = $session_id
ORDER BY unit_id;
