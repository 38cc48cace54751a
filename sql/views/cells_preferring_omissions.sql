-- cells_preferring_omissions: cells whose peak response to omissions exceeds that to images, in the latest studies.
-- Reads effects_per_cell. Takes nothing.
SELECT project, protocol, cre_line, exposure_level, mouse_id, session_id, unit_id, peak_dff AS difference_dff
FROM effects_per_cell
WHERE peak_dff > 0
ORDER BY project, protocol, difference_dff DESC;
