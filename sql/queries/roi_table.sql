-- roi_table: one row per ROI that these studies fitted: its protocol, region, animal, place, type and clusters.
-- Reads derived.roi_clusters, derived.roi_types, findings.studies, recorded.sessions, recorded.units. Takes $studies.
SELECT
    f.protocol,
    t.session_id,
    coalesce(s.subject_id, t.session_id) AS animal_id,
    coalesce(u.structure, s.location, 'not given') AS region,
    t.unit_id,
    u.x_px,
    u.y_px,
    t.* EXCLUDE (study_id, session_id, unit_id),
    a.cluster AS cluster_of_all,
    a.leaf AS leaf_of_all,
    c.cluster AS cluster_of_selected,
    c.leaf AS leaf_of_selected
FROM derived.roi_types AS t
JOIN findings.studies AS f USING (study_id)
JOIN recorded.sessions AS s ON s.session_id = t.session_id
JOIN recorded.units AS u ON u.session_id = t.session_id AND u.unit_id = t.unit_id
LEFT JOIN derived.roi_clusters AS a
    ON a.study_id = t.study_id AND a.session_id = t.session_id AND a.unit_id = t.unit_id AND a.scope = 'all'
LEFT JOIN derived.roi_clusters AS c
    ON c.study_id = t.study_id AND c.session_id = t.session_id AND c.unit_id = t.unit_id AND c.scope = 'selected'
WHERE list_contains($studies, t.study_id)
ORDER BY f.protocol, t.session_id, t.unit_id;
