-- session_inputs: one row per session, with the studies that features of it come from.
-- Reads recorded.sessions, derived.response_features. Takes nothing.
SELECT
    s.project,
    s.session_id,
    s.content_sha256,
    s.frame_count IS NOT NULL AS has_traces,
    coalesce(list_sort(list(DISTINCT f.study_id) FILTER (WHERE f.study_id IS NOT NULL)), []) AS feature_studies
FROM recorded.sessions AS s
LEFT JOIN derived.response_features AS f USING (session_id)
GROUP BY ALL
ORDER BY s.project, s.session_id;
