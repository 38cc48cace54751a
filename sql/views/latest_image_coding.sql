-- latest_image_coding: each model's place in the newest image-coding study of each project, under both protocols.
-- Reads findings.image_coding, findings.studies. Takes nothing.
WITH newest AS (
    SELECT project, study_id
    FROM findings.studies
    WHERE kind = 'image_coding'
    QUALIFY row_number() OVER (PARTITION BY project ORDER BY finished_at DESC, study_id) = 1
)
SELECT n.project, c.* EXCLUDE (study_id)
FROM newest AS n
JOIN findings.image_coding AS c ON c.study_id = n.study_id;
