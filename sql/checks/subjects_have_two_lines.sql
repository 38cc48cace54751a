-- subjects_have_two_lines: an animal has one cre line in a project. One row per animal.
-- Reads recorded.sessions. Takes nothing.
SELECT project, subject_id, list_sort(list(DISTINCT cre_line)) AS cre_lines
FROM recorded.sessions
GROUP BY project, subject_id
HAVING count(DISTINCT cre_line) > 1;
