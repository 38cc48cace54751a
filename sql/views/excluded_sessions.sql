-- excluded_sessions: sessions without responses in the latest studies, and files that were refused, each with the reason.
-- Reads derived.response_features, recorded.events, recorded.rejected, recorded.sessions, recorded.snippets. Takes nothing.
WITH has AS (
    SELECT
        s.project,
        s.session_id,
        s.source_uri,
        s.cre_line,
        s.exposure_level,
        list_contains(string_split(coalesce(s.signals, ''), ','), 'dff') OR EXISTS (
            SELECT 1 FROM recorded.snippets AS n WHERE n.session_id = s.session_id AND n.sample = 0
        ) AS traces,
        EXISTS (
            SELECT 1 FROM recorded.events AS e WHERE e.session_id = s.session_id AND e.kind = 'omission'
        ) AS omissions,
        EXISTS (SELECT 1 FROM derived.response_features AS f WHERE f.session_id = s.session_id) AS features
    FROM recorded.sessions AS s
)
SELECT
    project,
    session_id,
    source_uri,
    CASE
        WHEN features AND cre_line IS NULL THEN 'no cre line: measured, and left out of the tests'
        WHEN features THEN 'no exposure level: measured, and left out of the tests'
        WHEN NOT omissions THEN 'no omissions'
        WHEN NOT traces THEN 'no dF/F'
        ELSE 'not measured yet'
    END AS reason
FROM has
WHERE NOT features OR cre_line IS NULL OR exposure_level IS NULL
UNION ALL BY NAME
SELECT source_uri, "field" || ': found ' || found || ', expected ' || expected AS reason
FROM recorded.rejected
ORDER BY project NULLS LAST, session_id, source_uri;
