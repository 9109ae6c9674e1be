-- load --
SELECT
    name,
    (extract(epoch FROM low) * 1000000)::int8,
    (extract(epoch FROM high) * 1000000)::int8,
    (extract(epoch FROM touched_at) * 1000000)::int8
FROM partitions
WHERE parent = %(parent)s
ORDER BY low

-- exclusive --
SELECT pg_advisory_xact_lock(%(lock)s)

-- record --
INSERT INTO partitions (name, parent, low, high)
VALUES (%(name)s, %(parent)s, %(low)s, %(high)s)

-- touch --
UPDATE partitions SET touched_at = now() WHERE name = ANY(%(names)s)

-- expired --
-- Old by its range and untouched as long: a sensor with a wrong clock keeps its readings like every other.
SELECT name, low = '2000-01-01 00:00:00+00'
FROM partitions
WHERE parent = %(parent)s
    AND (high < now() - %(keep)s::interval OR low = '2000-01-01 00:00:00+00')
    AND touched_at < now() - %(keep)s::interval
ORDER BY low

-- forget --
DELETE FROM partitions WHERE name = %(name)s
