-- trials_end_before_they_begin: a trial ends when it began or later. One row per trial that does not.
-- Reads recorded.trials. Takes nothing.
SELECT session_id, trial_id, start_s, stop_s
FROM recorded.trials
WHERE stop_s < start_s;
