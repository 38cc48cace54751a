-- sessions_without_responses: one row per session of a project that these studies have no features of, with the reason.
-- Reads derived.response_features, findings.studies, recorded.events, recorded.sessions, recorded.snippets. Takes $project, $studies.
WITH noted AS (
    SELECT session_id, any_value(notes) AS notes
    FROM findings.studies
    WHERE list_contains($studies, study_id) AND session_id IS NOT NULL
    GROUP BY session_id
)
SELECT
    s.session_id,
    s.subject_id AS mouse_id,
    CASE
        WHEN n.notes IS NOT NULL THEN n.notes
        WHEN s.session_id NOT IN (SELECT session_id FROM recorded.events WHERE kind = 'omission') THEN 'no omissions'
        WHEN NOT coalesce(list_contains(string_split(s.signals, ','), 'dff'), FALSE)
            AND s.session_id NOT IN (SELECT session_id FROM recorded.snippets WHERE sample = 0) THEN 'no dF/F'
        ELSE 'not chosen for this study'
    END AS reason
FROM recorded.sessions AS s
LEFT JOIN noted AS n USING (session_id)
WHERE s.project = $project AND s.session_id NOT IN (
    SELECT session_id FROM derived.response_features WHERE list_contains($studies, study_id)
)
ORDER BY s.session_id;
