-- session_inputs: one row per session, with whether it has dF/F and omissions, and the studies of its features.
-- Reads recorded.sessions, recorded.events, derived.response_features. Takes nothing.
SELECT
    s.project,
    s.session_id,
    s.content_sha256,
    coalesce(list_contains(string_split(s.signals, ','), 'dff'), FALSE)
        AND s.session_id IN (SELECT session_id FROM recorded.events WHERE kind = 'omission') AS has_omissions,
    coalesce(list_sort(list(DISTINCT f.study_id) FILTER (WHERE f.study_id IS NOT NULL)), []) AS feature_studies
FROM recorded.sessions AS s
LEFT JOIN derived.response_features AS f USING (session_id)
GROUP BY ALL
ORDER BY s.project, s.session_id;
