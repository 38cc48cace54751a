-- split_sides_share_mice: a fold that holds out mice learns from none of their rows. One row per fold and mouse.
-- Reads findings.splits. Takes nothing.
SELECT study_id, protocol, target, scheme, fold, subject_id
FROM findings.splits
WHERE protocol = 'rigorous' OR scheme = 'leave_one_mouse_out'
GROUP BY study_id, protocol, target, scheme, fold, subject_id
HAVING count(DISTINCT side) > 1;
