-- raster_places_are_cut: places in a raster run from 0 without gaps. One row per raster.
-- Reads derived.raster_order. Takes nothing.
SELECT study_id, session_id, scope, count(*) AS unit_count, max(place) AS last_place
FROM derived.raster_order
GROUP BY ALL
HAVING count(DISTINCT place) <> count(*) OR max(place) <> count(*) - 1;
