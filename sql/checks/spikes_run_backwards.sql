-- spikes_run_backwards: the spikes of a unit are in order of time. One row per spike that is not.
-- Reads recorded.spikes. Takes nothing.
SELECT session_id, unit_id, spike, time_s
FROM recorded.spikes
QUALIFY time_s < lag(time_s) OVER (PARTITION BY session_id, unit_id ORDER BY spike);
