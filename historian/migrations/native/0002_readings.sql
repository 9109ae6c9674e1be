-- Readings on native range partitions, with rollups that a job of the historian maintains.

CREATE TABLE readings (
    ts timestamptz NOT NULL,
    value float8 NOT NULL,
    sensor_id int4 NOT NULL,
    quality int2 NOT NULL
) PARTITION BY RANGE (ts);
CREATE UNIQUE INDEX readings_key ON readings (sensor_id, ts, value, quality);
COMMENT ON TABLE readings IS 'Every reading once. sensor_id is the tag number, ts its effective time, cut to microseconds.';

CREATE TABLE readings_1m_data (
    bucket timestamptz NOT NULL,
    min float8,
    max float8,
    mean float8,
    last float8,
    total float8,
    sensor_id int4 NOT NULL,
    count int4 NOT NULL,
    good int4 NOT NULL,
    bad int4 NOT NULL,
    PRIMARY KEY (sensor_id, bucket)
) PARTITION BY RANGE (bucket);

CREATE TABLE readings_1h_data (
    bucket timestamptz NOT NULL,
    min float8,
    max float8,
    mean float8,
    last float8,
    total float8,
    sensor_id int4 NOT NULL,
    count int8 NOT NULL,
    good int8 NOT NULL,
    bad int8 NOT NULL,
    PRIMARY KEY (sensor_id, bucket)
) PARTITION BY RANGE (bucket);

CREATE TABLE partitions (
    name text PRIMARY KEY,
    parent text NOT NULL,
    low timestamptz NOT NULL,
    high timestamptz NOT NULL,
    touched_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE partitions IS 'The partitions of the tables above. One is dropped when it is both old and long untouched,
so that readings of a sensor with a wrong clock are kept as long as all others.';

CREATE TABLE rollup_state (
    level text PRIMARY KEY,
    -- Rows older than this are marked in rollup_dirty by whoever writes them.
    watermark timestamptz NOT NULL,
    -- Buckets older than this are in the table; newer ones are computed when they are asked for.
    materialised timestamptz NOT NULL
);
INSERT INTO rollup_state
SELECT level, date_trunc('hour', now(), 'UTC'), date_trunc('hour', now(), 'UTC') FROM unnest(ARRAY['1m', '1h']) level;

CREATE TABLE rollup_dirty (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    level text NOT NULL,
    bucket timestamptz NOT NULL,
    sensor_low int4 NOT NULL,
    sensor_high int4 NOT NULL
);
COMMENT ON TABLE rollup_dirty IS 'Buckets to be made again for the sensors sensor_low .. sensor_high.';

-- min and max are over what is not bad (an over-range value shows), mean, total and last over what is good.
-- Values beyond 1e300 and NaN are counted and nothing else: a sum of them would overflow.
CREATE VIEW readings_1m AS
SELECT sensor_id, bucket, min, max, mean, last, total, count::int8, good::int8, bad::int8
FROM readings_1m_data
WHERE bucket < (SELECT materialised FROM rollup_state WHERE level = '1m')
UNION ALL
SELECT
    sensor_id,
    date_bin('1 minute', ts, '2000-01-01 00:00:00+00'),
    min(value) FILTER (WHERE quality < 128 AND value BETWEEN -1e300 AND 1e300),
    max(value) FILTER (WHERE quality < 128 AND value BETWEEN -1e300 AND 1e300),
    avg(value) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300),
    (array_agg(value ORDER BY ts DESC, value DESC)
        FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300))[1],
    sum(value) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300),
    count(*),
    count(*) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300),
    count(*) FILTER (WHERE quality >= 128)
FROM readings
WHERE ts >= (SELECT materialised FROM rollup_state WHERE level = '1m')
GROUP BY sensor_id, date_bin('1 minute', ts, '2000-01-01 00:00:00+00');

CREATE VIEW readings_1h AS
SELECT sensor_id, bucket, min, max, mean, last, total, count, good, bad
FROM readings_1h_data
WHERE bucket < (SELECT materialised FROM rollup_state WHERE level = '1h')
UNION ALL
SELECT
    sensor_id,
    date_bin('1 hour', bucket, '2000-01-01 00:00:00+00'),
    min(min),
    max(max),
    sum(total) / nullif(sum(good), 0)::float8,
    (array_agg(last ORDER BY bucket DESC) FILTER (WHERE last IS NOT NULL))[1],
    sum(total),
    sum(count)::int8,
    sum(good)::int8,
    sum(bad)::int8
FROM readings_1m
WHERE bucket >= (SELECT materialised FROM rollup_state WHERE level = '1h')
GROUP BY sensor_id, date_bin('1 hour', bucket, '2000-01-01 00:00:00+00');
