-- latest_study: the newest omission study of a project. One row, or none.
-- Reads findings.studies. Takes $project.
SELECT study_id, protocol, snapshot_id, flow_run_id, notes, finished_at
FROM findings.studies
WHERE kind = 'omission' AND project = $project
ORDER BY finished_at DESC, study_id
LIMIT 1;
