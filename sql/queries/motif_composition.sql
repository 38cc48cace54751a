-- motif_composition: one row per motif, cre line and exposure level: how many of the group's rows are in the motif.
-- Reads derived.unit_scores, recorded.sessions. Takes $study_id.
WITH counted AS (
    SELECT
        u.value::INTEGER AS motif,
        s.cre_line,
        s.exposure_level,
        count(DISTINCT s.subject_id) AS mouse_count,
        count(*) AS row_count
    FROM derived.unit_scores AS u
    JOIN recorded.sessions AS s USING (session_id)
    WHERE u.study_id = $study_id AND u.score = 'motif'
    GROUP BY ALL
)
SELECT *, row_count / sum(row_count) OVER (PARTITION BY cre_line, exposure_level) AS share_of_group
FROM counted
ORDER BY motif, cre_line, exposure_level;
