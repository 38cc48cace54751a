-- images_lack_pixels: an image has as many bytes as its pixels need. One row per image that has not.
-- Reads recorded.images. Takes nothing.
SELECT session_id, kind, image_name, octet_length(pixels) AS byte_count
FROM recorded.images
WHERE octet_length(pixels) <> height_px::BIGINT * width_px * channel_count
    * CASE pixel_type WHEN 'uint8' THEN 1 WHEN 'uint16' THEN 2 WHEN 'float32' THEN 4 ELSE 8 END;
