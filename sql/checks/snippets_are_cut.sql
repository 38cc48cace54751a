-- snippets_are_cut: the samples of a snippet are numbered from 0 without a gap. One row per snippet where they are not.
-- Reads recorded.snippets. Takes nothing.
SELECT session_id, unit_id, event_id, count(*) AS row_count
FROM recorded.snippets
GROUP BY ALL
HAVING count(*) <> max(sample) + 1;
