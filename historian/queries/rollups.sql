-- exclusive --
SELECT pg_advisory_xact_lock(%(lock)s)

-- one_at_a_time --
SELECT pg_try_advisory_lock(%(lock)s)

-- complete_to --
-- Every partition of the live readings is stored up to here; NULL while none was read. A log whose clock runs ahead
-- must not send the job through years that have no readings.
SELECT (extract(epoch FROM least(min(complete_to), now() + interval '1 day')) * 1000000)::int8
FROM log_positions WHERE topic = 'readings' HAVING count(*) > 0

-- state --
SELECT
    (extract(epoch FROM watermark) * 1000000)::int8,
    (extract(epoch FROM materialised) * 1000000)::int8
FROM rollup_state WHERE level = %(level)s

-- move_watermark --
UPDATE rollup_state SET watermark = to_timestamp(%(us)s::float8 / 1e6)
WHERE level = %(level)s AND watermark < to_timestamp(%(us)s::float8 / 1e6)

-- materialised --
UPDATE rollup_state SET materialised = to_timestamp(%(us)s::float8 / 1e6)
WHERE level = %(level)s AND materialised < to_timestamp(%(us)s::float8 / 1e6)

-- dirty --
SELECT id, (extract(epoch FROM bucket) * 1000000)::int8, sensor_low, sensor_high
FROM rollup_dirty WHERE level = %(level)s ORDER BY id LIMIT %(limit)s

-- clean --
DELETE FROM rollup_dirty WHERE id = ANY(%(ids)s)

-- mark_hours --
INSERT INTO rollup_dirty (level, bucket, sensor_low, sensor_high)
SELECT DISTINCT '1h', date_bin('1 hour', bucket, '2000-01-01 00:00:00+00'), low, high
FROM (
    SELECT to_timestamp(us::float8 / 1e6), low, high
    FROM unnest(%(buckets)s::int8[], %(lows)s::int4[], %(highs)s::int4[]) b (us, low, high)
) b (bucket, low, high)
WHERE bucket < (SELECT watermark FROM rollup_state WHERE level = '1h')

-- make_1m --
-- Minutes of some sensors, each found by its own walk through the key. Rows are only ever added, so a bucket that would
-- count less than before has lost rows to retention and stays as it was.
INSERT INTO readings_1m_data (bucket, min, max, mean, last, total, sensor_id, count, good, bad)
SELECT b.bucket, a.min, a.max, a.mean, a.last, a.total, s.sensor_id, a.count, a.good, a.bad
FROM (
    SELECT to_timestamp(us::float8 / 1e6), low, high
    FROM unnest(%(buckets)s::int8[], %(lows)s::int4[], %(highs)s::int4[]) u (us, low, high)
) b (bucket, low, high)
JOIN sensors s ON s.sensor_id BETWEEN b.low AND b.high
CROSS JOIN LATERAL (
    SELECT
        min(value) FILTER (WHERE quality < 128 AND value BETWEEN -1e300 AND 1e300) AS min,
        max(value) FILTER (WHERE quality < 128 AND value BETWEEN -1e300 AND 1e300) AS max,
        avg(value) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300) AS mean,
        (array_agg(value ORDER BY ts DESC, value DESC)
            FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300))[1] AS last,
        sum(value) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300) AS total,
        count(*) AS count,
        count(*) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300) AS good,
        count(*) FILTER (WHERE quality >= 128) AS bad
    FROM readings
    WHERE sensor_id = s.sensor_id AND ts >= b.bucket AND ts < b.bucket + interval '1 minute'
) a
WHERE a.count > 0
ON CONFLICT (sensor_id, bucket) DO UPDATE SET
    min = excluded.min, max = excluded.max, mean = excluded.mean, last = excluded.last, total = excluded.total,
    count = excluded.count, good = excluded.good, bad = excluded.bad
WHERE excluded.count > readings_1m_data.count

-- make_1h --
INSERT INTO readings_1h_data (bucket, min, max, mean, last, total, sensor_id, count, good, bad)
SELECT b.bucket, a.min, a.max, a.mean, a.last, a.total, s.sensor_id, a.count, a.good, a.bad
FROM (
    SELECT to_timestamp(us::float8 / 1e6), low, high
    FROM unnest(%(buckets)s::int8[], %(lows)s::int4[], %(highs)s::int4[]) u (us, low, high)
) b (bucket, low, high)
JOIN sensors s ON s.sensor_id BETWEEN b.low AND b.high
CROSS JOIN LATERAL (
    SELECT
        min(min) AS min,
        max(max) AS max,
        sum(total) / nullif(sum(good), 0)::float8 AS mean,
        (array_agg(last ORDER BY bucket DESC) FILTER (WHERE last IS NOT NULL))[1] AS last,
        sum(total) AS total,
        sum(count) AS count,
        sum(good) AS good,
        sum(bad) AS bad
    FROM readings_1m_data
    WHERE sensor_id = s.sensor_id AND bucket >= b.bucket AND bucket < b.bucket + interval '1 hour'
) a
WHERE a.count > 0
ON CONFLICT (sensor_id, bucket) DO UPDATE SET
    min = excluded.min, max = excluded.max, mean = excluded.mean, last = excluded.last, total = excluded.total,
    count = excluded.count, good = excluded.good, bad = excluded.bad
WHERE excluded.count > readings_1h_data.count
