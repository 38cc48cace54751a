-- measured_sessions: one row per session whose responses these studies measured, by mouse and session.
-- Reads findings.studies, recorded.sessions. Takes $studies.
SELECT st.session_id, s.subject_id AS mouse_id, s.cre_line, s.exposure_level
FROM findings.studies AS st
JOIN recorded.sessions AS s USING (session_id)
WHERE list_contains($studies, st.study_id) AND st.kind = 'responses'
ORDER BY s.subject_id, st.session_id;
