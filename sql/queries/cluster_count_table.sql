-- cluster_count_table: how well each number of clusters describes each session's ROIs.
-- Reads derived.cluster_counts, findings.studies. Takes $studies.
SELECT f.protocol, c.* EXCLUDE (study_id)
FROM derived.cluster_counts AS c
JOIN findings.studies AS f USING (study_id)
WHERE list_contains($studies, c.study_id)
ORDER BY f.protocol DESC, c.session_id, c.scope, c.cluster_count;
