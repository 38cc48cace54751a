-- session_patterns: one row per Gabor or grating that a session showed, with its parameters; of a pair, the first.
-- Reads recorded.events. Takes $session_id.
SELECT
    event_id,
    name AS stimulus,
    onset_s,
    offset_s,
    TRY_CAST(attributes ->> 'x_position' AS DOUBLE) AS x_deg,
    TRY_CAST(attributes ->> 'y_position' AS DOUBLE) AS y_deg,
    TRY_CAST(attributes ->> 'orientation' AS DOUBLE) AS orientation_deg,
    TRY_CAST(attributes ->> 'spatial_frequency' AS DOUBLE) AS cycles_per_deg,
    TRY_CAST(attributes ->> 'contrast' AS DOUBLE) AS contrast,
    TRY_CAST(regexp_extract(attributes ->> 'size', '[0-9.]+') AS DOUBLE) AS size_deg
FROM recorded.events
WHERE
    session_id = $session_id
    AND kind = 'stimulus'
    AND name IN ('gabors', 'static_gratings', 'drifting_gratings')
    AND onset_s IS NOT NULL
    AND TRY_CAST(attributes ->> 'orientation' AS DOUBLE) IS NOT NULL
ORDER BY onset_s, event_id;
