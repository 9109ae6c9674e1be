-- copy --
COPY readings (ts, value, sensor_id, quality) FROM STDIN (FORMAT binary)

-- staging --
CREATE TEMPORARY TABLE IF NOT EXISTS staged (ts timestamptz, value float8, sensor_id int4, quality int2)
ON COMMIT DELETE ROWS

-- copy_staged --
COPY staged (ts, value, sensor_id, quality) FROM STDIN (FORMAT binary)

-- merge --
INSERT INTO readings (ts, value, sensor_id, quality)
SELECT ts, value, sensor_id, quality FROM staged
ON CONFLICT (sensor_id, ts, value, quality) DO NOTHING

-- known_sensors --
SELECT sensor_id FROM sensors

-- new_sensors --
INSERT INTO sensors (sensor_id, first_ts)
SELECT sensor_id, to_timestamp(%(us)s::float8 / 1e6) FROM unnest(%(sensors)s::int4[]) sensor_id
ON CONFLICT DO NOTHING

-- writing_rollups --
-- Held to the end of the transaction: the rollup job moves its watermark only between the writers' transactions.
SELECT pg_advisory_xact_lock_shared(%(lock)s)

-- watermark --
SELECT (extract(epoch FROM watermark) * 1000000)::int8 FROM rollup_state WHERE level = '1m'

-- mark_dirty --
INSERT INTO rollup_dirty (level, bucket, sensor_low, sensor_high)
SELECT '1m', to_timestamp(minute::float8 * 60), low, high
FROM unnest(%(minutes)s::int8[], %(lows)s::int4[], %(highs)s::int4[]) m (minute, low, high)
