-- remembered --
SELECT policies FROM storage

-- remember --
UPDATE storage SET policies = %(policies)s

-- width --
SELECT set_chunk_time_interval('readings', %(width)s::interval)

-- forget --
SELECT
    remove_retention_policy('readings_1m', if_exists => true),
    remove_retention_policy('readings_1h', if_exists => true),
    remove_continuous_aggregate_policy('readings_1m', if_exists => true),
    remove_continuous_aggregate_policy('readings_1h', if_exists => true)

-- forget_columnstore --
CALL remove_columnstore_policy('readings', if_exists => true)

-- forget_jobs --
SELECT delete_job(job_id)
FROM timescaledb_information.jobs
WHERE proc_schema = current_schema() AND proc_name = 'drop_old_readings'

-- columnstore --
CALL add_columnstore_policy('readings', after => %(compress)s::interval)

-- refresh_1m --
-- Late data is made again as long as its readings are kept: only what changed is computed.
SELECT add_continuous_aggregate_policy(
    'readings_1m', start_offset => %(raw)s::interval - interval '1 day', end_offset => interval '2 minutes',
    schedule_interval => interval '1 minute'
)

-- refresh_1h --
SELECT add_continuous_aggregate_policy(
    'readings_1h', start_offset => %(raw)s::interval - interval '1 day', end_offset => interval '1 hour',
    schedule_interval => interval '10 minutes'
)

-- retain_raw --
SELECT add_job(
    'drop_old_readings', interval '1 day',
    config => jsonb_build_object('keep', (%(raw)s::interval + %(width)s::interval)::text)
)

-- retain_1m --
SELECT add_retention_policy('readings_1m', drop_after => %(aggregates)s::interval)

-- retain_1h --
SELECT add_retention_policy('readings_1h', drop_after => %(hours)s::interval)
