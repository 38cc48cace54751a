-- session_inputs: one row per session: has it dF/F, whole or cut out, and omissions; which studies have its features.
-- Reads recorded.sessions, recorded.events, recorded.snippets, derived.response_features. Takes nothing.
SELECT
    s.project,
    s.session_id,
    s.content_sha256,
    s.cre_line,
    (
        coalesce(list_contains(string_split(s.signals, ','), 'dff'), FALSE)
        OR s.session_id IN (SELECT session_id FROM recorded.snippets WHERE sample = 0)
    )
        AND s.session_id IN (SELECT session_id FROM recorded.events WHERE kind = 'omission') AS has_omissions,
    coalesce(list_sort(list(DISTINCT f.study_id) FILTER (WHERE f.study_id IS NOT NULL)), []) AS feature_studies
FROM recorded.sessions AS s
LEFT JOIN derived.response_features AS f USING (session_id)
GROUP BY ALL
ORDER BY s.project, s.session_id;
