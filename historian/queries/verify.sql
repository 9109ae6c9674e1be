-- ledger --
SELECT
    count(*),
    coalesce(
        sum(
            hashfloat8extended(
                value,
                timestamp_hash_extended(ts AT TIME ZONE 'UTC', hashint4extended(sensor_id, quality::int8))
            )::numeric
        ),
        0
    )::text
FROM readings
