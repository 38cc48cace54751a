-- simulated_sessions: how many sessions of a project are simulated. One row.
-- Reads recorded.sessions. Takes $project.
SELECT count(*) AS session_count
FROM recorded.sessions
WHERE project = $project AND simulated;
