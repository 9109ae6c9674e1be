-- trend_raw --
-- Buckets of the width asked for, straight from the readings. `at` is the time of a bucket's first reading, so that a
-- bucket of one reading stands where the reading does.
SELECT
    (extract(epoch FROM min(ts)) * 1000000)::int8,
    min(value) FILTER (WHERE quality < 128 AND value BETWEEN -1e300 AND 1e300),
    max(value) FILTER (WHERE quality < 128 AND value BETWEEN -1e300 AND 1e300),
    avg(value) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300),
    (array_agg(value ORDER BY ts DESC, value DESC)
        FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300))[1],
    count(*),
    count(*) FILTER (WHERE quality < 64 AND value BETWEEN -1e300 AND 1e300),
    count(*) FILTER (WHERE quality >= 128),
    max(quality)::int4
FROM readings
WHERE sensor_id = %(tag)s AND ts >= %(start)s AND ts < %(end)s
GROUP BY date_bin(%(width)s::interval, ts, %(start)s)
ORDER BY 1

-- trend_1m --
SELECT
    (extract(epoch FROM min(bucket)) * 1000000)::int8,
    min(min),
    max(max),
    sum(total) / nullif(sum(good), 0)::float8,
    (array_agg(last ORDER BY bucket DESC) FILTER (WHERE last IS NOT NULL))[1],
    sum(count)::int8,
    sum(good)::int8,
    sum(bad)::int8,
    NULL::int4
FROM readings_1m
WHERE sensor_id = %(tag)s AND bucket >= %(start)s AND bucket < %(end)s
GROUP BY date_bin(%(width)s::interval, bucket, %(start)s)
ORDER BY 1

-- trend_1h --
SELECT
    (extract(epoch FROM min(bucket)) * 1000000)::int8,
    min(min),
    max(max),
    sum(total) / nullif(sum(good), 0)::float8,
    (array_agg(last ORDER BY bucket DESC) FILTER (WHERE last IS NOT NULL))[1],
    sum(count)::int8,
    sum(good)::int8,
    sum(bad)::int8,
    NULL::int4
FROM readings_1h
WHERE sensor_id = %(tag)s AND bucket >= %(start)s AND bucket < %(end)s
GROUP BY date_bin(%(width)s::interval, bucket, %(start)s)
ORDER BY 1

-- last_values --
-- The newest reading of each tag, by one step into the key per tag; tags without any are left out.
SELECT s.sensor_id, (extract(epoch FROM r.ts) * 1000000)::int8, r.value, r.quality
FROM sensors s
CROSS JOIN LATERAL (
    SELECT ts, value, quality FROM readings
    WHERE sensor_id = s.sensor_id AND ts >= %(since)s
    ORDER BY ts DESC, value DESC LIMIT 1
) r
WHERE %(tags)s::int4[] IS NULL OR s.sensor_id = ANY(%(tags)s::int4[])
ORDER BY s.sensor_id

-- transitions --
-- Newest first, from before a place: (time, episode, revision).
SELECT t.body::text
FROM alarm_transitions t
WHERE t.at >= %(start)s AND (t.at, t.episode, t.revision) < (%(before)s, %(before_episode)s, %(before_revision)s)
    AND (%(alarm)s::text IS NULL OR t.alarm_id = %(alarm)s)
    AND (%(enterprise)s::text IS NULL OR EXISTS (
        SELECT FROM alarms a WHERE a.episode = t.episode AND a.enterprise = %(enterprise)s
    ))
ORDER BY t.at DESC, t.episode DESC, t.revision DESC
LIMIT %(limit)s

-- alarms --
-- Episodes by when they were raised, newest first, from before a place: (time, episode).
SELECT body::text
FROM alarms
WHERE raised_at >= %(start)s AND (raised_at, episode) < (%(before)s, %(before_episode)s)
    AND (%(alarm)s::text IS NULL OR alarm_id = %(alarm)s)
    AND (%(tag)s::int4 IS NULL OR tag = %(tag)s)
    AND (%(park)s::text IS NULL OR park = %(park)s)
    AND (%(enterprise)s::text IS NULL OR enterprise = %(enterprise)s)
    AND (%(hazard_source)s::text IS NULL OR hazard_source = %(hazard_source)s)
    AND (%(tiers)s::int4[] IS NULL OR peak_tier = ANY(%(tiers)s::int4[]))
    AND (%(classes)s::text[] IS NULL OR alarm_class = ANY(%(classes)s::text[]))
    AND (NOT %(listed)s OR state <> 'normal')
ORDER BY raised_at DESC, episode DESC
LIMIT %(limit)s

-- episode --
SELECT body::text FROM alarms WHERE episode = %(episode)s

-- episode_transitions --
SELECT body::text FROM alarm_transitions WHERE episode = %(episode)s ORDER BY revision

-- episode_notices --
SELECT
    n.id, n.revision, n.channel, n.recipient, n.reason, n.tier, (extract(epoch FROM n.due_at) * 1000000)::int8,
    r.kind, r.attempt, (extract(epoch FROM r.at) * 1000000)::int8, r.detail
FROM notices n LEFT JOIN receipts r ON r.notice = n.id
WHERE n.episode = %(episode)s
ORDER BY n.due_at, n.id, r.at, r.attempt

-- counts --
SELECT alarm_class, peak_tier, count(*), count(*) FILTER (WHERE state <> 'normal')
FROM alarms
WHERE raised_at >= %(start)s AND raised_at < %(end)s AND (%(park)s::text IS NULL OR park = %(park)s)
GROUP BY alarm_class, peak_tier
ORDER BY alarm_class, peak_tier

-- gaps --
SELECT topic, partition, from_offset, to_offset, reason, detail, (extract(epoch FROM noticed_at) * 1000000)::int8
FROM history_gaps
ORDER BY id DESC
LIMIT %(limit)s

-- complete_to --
SELECT (extract(epoch FROM min(complete_to)) * 1000000)::int8 FROM log_positions WHERE topic = 'readings'

-- tags --
SELECT number, name FROM tags ORDER BY number

-- export --
SELECT s.sensor_id, (extract(epoch FROM r.ts) * 1000000)::int8, r.value, r.quality
FROM sensors s
CROSS JOIN LATERAL (
    SELECT ts, value, quality FROM readings WHERE sensor_id = s.sensor_id AND ts >= %(start)s AND ts < %(end)s
) r
WHERE %(tags)s::int4[] IS NULL OR s.sensor_id = ANY(%(tags)s::int4[])
ORDER BY r.ts, s.sensor_id, r.value, r.quality
