-- What both kinds of storage share: where the writer stands in the log, the registry's tags, alarms and messages.

CREATE TABLE storage (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    kind text NOT NULL,
    -- The policies last set on a TimescaleDB, so that an unchanged configuration leaves the jobs alone.
    policies text NOT NULL DEFAULT ''
);
COMMENT ON TABLE storage IS 'Which kind of storage the tables were made for; it never changes by itself.';

CREATE TABLE log_positions (
    topic text NOT NULL,
    partition int4 NOT NULL,
    incarnation int8 NOT NULL,
    next_offset int8 NOT NULL,
    -- Everything appended up to here is stored; it moves on without records while the writer is caught up.
    complete_to timestamptz NOT NULL,
    PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE log_positions IS 'Next offset to read of each partition; written with the rows, in their transaction.';

CREATE TABLE history_gaps (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition int4 NOT NULL,
    incarnation int8 NOT NULL,
    from_offset int8 NOT NULL,
    to_offset int8 NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE history_gaps IS 'Parts of the log that are not in the history: offsets from_offset <= o < to_offset.';

CREATE TABLE sensors (
    sensor_id int4 PRIMARY KEY,
    first_ts timestamptz NOT NULL
);
COMMENT ON TABLE sensors IS 'Every tag number that ever had a reading, known to the registry or not.';

CREATE TABLE tags (
    number int4 PRIMARY KEY,
    name text NOT NULL,
    title_zh text NOT NULL,
    title_en text NOT NULL,
    unit text NOT NULL,
    measure text NOT NULL,
    cas text NOT NULL,
    enterprise text NOT NULL,
    hazard_source text NOT NULL,
    equipment text NOT NULL,
    range_low float8,
    range_high float8,
    retired boolean NOT NULL,
    revision int8 NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX tags_name ON tags (name);
COMMENT ON TABLE tags IS 'The tags of the newest registry revision that names them.';

CREATE TABLE alarms (
    episode text PRIMARY KEY,
    alarm_id text NOT NULL,
    revision int4 NOT NULL,
    rule text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    side text NOT NULL,
    alarm_class text NOT NULL,
    state text NOT NULL,
    level int4 NOT NULL,
    level_name text NOT NULL,
    tier int2 NOT NULL,
    peak_level int4 NOT NULL,
    peak_level_name text NOT NULL,
    peak_tier int2 NOT NULL,
    tag int4 NOT NULL,
    value float8,
    peak_value float8,
    limit_value float8,
    unit text NOT NULL,
    quality int2 NOT NULL,
    gas text NOT NULL,
    onset_at timestamptz,
    doubtful boolean NOT NULL,
    raised_at timestamptz,
    changed_at timestamptz,
    returned_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text NOT NULL,
    comment text NOT NULL,
    unconfirmed boolean NOT NULL,
    text_zh text NOT NULL,
    text_en text NOT NULL,
    park text NOT NULL,
    enterprise text NOT NULL,
    hazard_source text NOT NULL,
    equipment text NOT NULL,
    route text NOT NULL,
    registry_revision int8 NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX alarms_raised ON alarms (raised_at DESC, episode);
CREATE INDEX alarms_listed ON alarms (raised_at DESC, episode) WHERE state <> 'normal';
CREATE INDEX alarms_alarm ON alarms (alarm_id, raised_at DESC);
CREATE INDEX alarms_tag ON alarms (tag, raised_at DESC);
COMMENT ON TABLE alarms IS 'One row per episode: the alarm after its newest transition. `body` is the complete alarm.';

CREATE TABLE alarm_transitions (
    episode text NOT NULL,
    revision int4 NOT NULL,
    alarm_id text NOT NULL,
    change text NOT NULL,
    at timestamptz NOT NULL,
    previous_state text NOT NULL,
    previous_tier int2 NOT NULL,
    state text NOT NULL,
    level int4 NOT NULL,
    tier int2 NOT NULL,
    value float8,
    actor text NOT NULL,
    command text NOT NULL,
    events_partition int4 NOT NULL,
    events_offset int8 NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (episode, revision)
);
CREATE INDEX alarm_transitions_at ON alarm_transitions (at DESC, episode, revision);
COMMENT ON TABLE alarm_transitions IS 'Every change of every alarm. `body` is the complete transition.';

CREATE TABLE notices (
    id text PRIMARY KEY,
    episode text NOT NULL,
    revision int4 NOT NULL,
    alarm_id text NOT NULL,
    channel text NOT NULL,
    recipient text NOT NULL,
    reason text NOT NULL,
    tier int2 NOT NULL,
    due_at timestamptz NOT NULL,
    route text NOT NULL,
    drill boolean NOT NULL
);
CREATE INDEX notices_episode ON notices (episode, revision);
CREATE INDEX notices_due ON notices (due_at);
COMMENT ON TABLE notices IS 'A message to one recipient over one channel, because of transition (episode, revision).';

CREATE TABLE receipts (
    notice text NOT NULL,
    attempt int4 NOT NULL,
    kind text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL,
    detail text NOT NULL,
    provider_id text NOT NULL,
    PRIMARY KEY (notice, attempt, kind, by)
);
CREATE INDEX receipts_at ON receipts (at);
COMMENT ON TABLE receipts IS 'What became of sending a notice. A receipt may be known before its notice.';
