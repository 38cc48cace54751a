-- presentation_spike_counts: spikes of every unit of a session in a window after every event of a name, zeros too.
-- FROM presentation_spike_counts('<session_id>', 0, 0.25, event_name := 'natural_scenes'); the window is from start_s
-- up to stop_s, in seconds after onset. Reads recorded.spikes, recorded.events, recorded.units.
CREATE OR REPLACE TEMP MACRO presentation_spike_counts(wanted_session, start_s, stop_s, event_name := NULL) AS TABLE
WITH presentations AS (
    SELECT e.event_id, e.image_name, e.onset_s + start_s AS begin_s, e.onset_s + stop_s AS end_s
    FROM recorded.events AS e
    WHERE
        e.session_id = wanted_session
        AND e.onset_s IS NOT NULL
        AND (event_name IS NULL OR e.name = event_name)
),

-- A window touches two stretches of time of its own length at most: joined on those, no spike meets every window.
stretches AS (
    SELECT
        p.event_id,
        p.begin_s,
        p.end_s,
        unnest(range(
            floor(p.begin_s / (stop_s - start_s))::BIGINT, floor(p.end_s / (stop_s - start_s))::BIGINT + 1
        )) AS stretch
    FROM presentations AS p
),

counted AS (
    SELECT s.unit_id, t.event_id, count(*) AS spike_count
    FROM recorded.spikes AS s
    JOIN stretches AS t
        ON
            floor(s.time_s / (stop_s - start_s))::BIGINT = t.stretch
            AND s.time_s >= t.begin_s
            AND s.time_s < t.end_s
    WHERE s.session_id = wanted_session
    GROUP BY s.unit_id, t.event_id
)

SELECT u.unit_id, p.event_id, p.image_name, coalesce(c.spike_count, 0) AS spike_count
FROM recorded.units AS u
CROSS JOIN presentations AS p
LEFT JOIN counted AS c ON c.unit_id = u.unit_id AND c.event_id = p.event_id
WHERE u.session_id = wanted_session;
