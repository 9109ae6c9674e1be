-- Readings on a TimescaleDB hypertable, with continuous aggregates. How long everything is kept and when it is
-- compressed is configuration: policies.sql.

CREATE TABLE readings (
    ts timestamptz NOT NULL,
    value float8 NOT NULL,
    sensor_id int4 NOT NULL,
    quality int2 NOT NULL
);
SELECT create_hypertable('readings', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX readings_key ON readings (sensor_id, ts, value, quality);
COMMENT ON TABLE readings IS 'Every reading once. sensor_id is the tag number, ts its effective time, cut to microseconds.';

ALTER TABLE readings SET (
    timescaledb.enable_columnstore = true,
    timescaledb.segmentby = 'sensor_id',
    timescaledb.orderby = 'ts'
);

-- min and max are over what is not bad (an over-range value shows), mean, total and last over what is good.
-- Values beyond 1e300 and NaN are counted and nothing else: a sum of them would overflow.
CREATE MATERIALIZED VIEW readings_1m WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    sensor_id,
    time_bucket(INTERVAL '1 minute', ts) AS bucket,
    min(value) FILTER (WHERE quality < 128 AND value BETWEEN -1e300 AND 1e300) AS min,
    max(value) FILTER (WHERE quality < 128 AND value BETWEEN -1e300 AND 1e300) AS max,
    avg(value) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300) AS mean,
    last(value, ts) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300) AS last,
    sum(value) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300) AS total,
    count(*) AS count,
    count(*) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300) AS good,
    count(*) FILTER (WHERE quality >= 128) AS bad
FROM readings
GROUP BY sensor_id, time_bucket(INTERVAL '1 minute', ts)
WITH NO DATA;

CREATE MATERIALIZED VIEW readings_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    sensor_id,
    time_bucket(INTERVAL '1 hour', bucket) AS bucket,
    min(min) AS min,
    max(max) AS max,
    sum(total) / nullif(sum(good), 0)::float8 AS mean,
    last(last, bucket) FILTER (WHERE last IS NOT NULL) AS last,
    sum(total) AS total,
    sum(count)::int8 AS count,
    sum(good)::int8 AS good,
    sum(bad)::int8 AS bad
FROM readings_1m
GROUP BY sensor_id, time_bucket(INTERVAL '1 hour', bucket)
WITH NO DATA;

-- Drops readings by the time their chunk was made, not by what is in it: a sensor with a wrong clock keeps its readings
-- as long as every other. TimescaleDB's own policy can be told the same (drop_created_before), but fails when it runs on
-- versions of before 2026 (its issue 9446).
CREATE PROCEDURE drop_old_readings(job_id int4, config jsonb) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM drop_chunks('readings', created_before => now() - (config->>'keep')::interval);
END
$$;
