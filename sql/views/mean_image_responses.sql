-- mean_image_responses: mean spike count of each unit to each image, of every study or source that counted spikes.
-- Reads derived.spike_counts, recorded.events. Takes nothing.
SELECT
    c.study_id,
    c.session_id,
    c.unit_id,
    e.image_name,
    avg(c.spike_count) AS mean_count,
    var_samp(c.spike_count) AS variance,
    count(*) AS presentation_count
FROM derived.spike_counts AS c
JOIN recorded.events AS e ON e.session_id = c.session_id AND e.event_id = c.event_id
WHERE e.image_name IS NOT NULL
GROUP BY ALL;
