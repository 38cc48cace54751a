-- tested_mice_were_trained_on: a rigorous test holds out whole mice, every row of them. One row per target, decoder, mouse.
-- Reads findings.predictions, recorded.sessions. Takes nothing.
SELECT p.study_id, p.target, p.decoder, s.subject_id
FROM findings.predictions AS p
JOIN recorded.sessions AS s USING (session_id)
WHERE p.protocol = 'rigorous'
GROUP BY p.study_id, p.target, p.decoder, s.subject_id
HAVING count(*) FILTER (WHERE p.scheme = 'test') NOT IN (0, count(*) FILTER (WHERE p.scheme = 'leave_one_mouse_out'));
