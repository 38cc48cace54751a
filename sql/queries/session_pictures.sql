-- session_pictures: one row per picture that a session showed, with its pixels.
-- Reads recorded.images. Takes $session_id.
SELECT image_name, height_px, width_px, channel_count, pixel_type, pixels
FROM recorded.images
WHERE session_id = $session_id AND kind = 'stimulus'
ORDER BY image_index, image_name;
