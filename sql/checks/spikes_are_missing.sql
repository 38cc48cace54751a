-- spikes_are_missing: the spikes of a unit are numbered from 0 without a gap. One row per unit where they are not.
-- Reads recorded.spikes. Takes nothing.
SELECT session_id, unit_id, count(*) AS row_count
FROM recorded.spikes
GROUP BY ALL
HAVING count(*) <> max(spike) + 1;
