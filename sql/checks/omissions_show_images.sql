-- omissions_show_images: an image has a name and an omission has none. One row per event.
-- Reads recorded.events. Takes nothing.
SELECT session_id, event_id, kind, image_name
FROM recorded.events
WHERE kind IN ('image', 'omission') AND (kind = 'omission') = (image_name IS NOT NULL);
