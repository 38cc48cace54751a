-- spike_signals: one row per session with features in these studies: which of its signals a repeat on spikes could use.
-- Reads derived.response_features, recorded.sessions, recorded.snippets. Takes $studies.
SELECT
    s.session_id,
    s.subject_id AS mouse_id,
    s.cre_line,
    s.exposure_level,
    s.unit_count,
    s.rate_hz,
    coalesce(list_contains(string_split(s.signals, ','), 'dff'), FALSE) AS has_dff,
    coalesce(list_contains(string_split(s.signals, ','), 'spike_prob'), FALSE) AS has_spike_prob,
    (SELECT max(n.sample) + 1 FROM recorded.snippets AS n WHERE n.session_id = s.session_id) AS snippet_sample_count
FROM recorded.sessions AS s
WHERE s.session_id IN (SELECT session_id FROM derived.response_features WHERE list_contains($studies, study_id))
ORDER BY s.session_id;
