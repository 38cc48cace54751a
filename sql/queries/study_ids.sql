-- study_ids: one row per study, newest last.
-- Reads findings.studies. Takes nothing.
SELECT study_id, kind, project, protocol, finished_at
FROM findings.studies
ORDER BY finished_at, study_id;
