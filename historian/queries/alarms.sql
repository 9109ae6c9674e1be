-- transition --
INSERT INTO alarm_transitions (
    episode, revision, alarm_id, change, at, previous_state, previous_tier, state, level, tier, value, actor, command,
    events_partition, events_offset, body
) VALUES (
    %(episode)s, %(revision)s, %(alarm_id)s, %(change)s, %(at)s, %(previous_state)s, %(previous_tier)s, %(state)s,
    %(level)s, %(tier)s, %(value)s, %(actor)s, %(command)s, %(events_partition)s, %(events_offset)s, %(body)s
)
ON CONFLICT (episode, revision) DO NOTHING

-- alarm --
-- The row only moves forward: an older transition that comes again changes nothing.
INSERT INTO alarms (
    episode, alarm_id, revision, rule, kind, subject, side, alarm_class, state, level, level_name, tier, peak_level,
    peak_level_name, peak_tier, tag, value, peak_value, limit_value, unit, quality, gas, onset_at, doubtful, raised_at,
    changed_at, returned_at, acknowledged_at, acknowledged_by, comment, unconfirmed, text_zh, text_en, park, enterprise,
    hazard_source, equipment, route, registry_revision, body
) VALUES (
    %(episode)s, %(alarm_id)s, %(revision)s, %(rule)s, %(kind)s, %(subject)s, %(side)s, %(alarm_class)s, %(state)s,
    %(level)s, %(level_name)s, %(tier)s, %(peak_level)s, %(peak_level_name)s, %(peak_tier)s, %(tag)s, %(value)s,
    %(peak_value)s, %(limit_value)s, %(unit)s, %(quality)s, %(gas)s, %(onset_at)s, %(doubtful)s, %(raised_at)s,
    %(changed_at)s, %(returned_at)s, %(acknowledged_at)s, %(acknowledged_by)s, %(comment)s, %(unconfirmed)s,
    %(text_zh)s, %(text_en)s, %(park)s, %(enterprise)s, %(hazard_source)s, %(equipment)s, %(route)s,
    %(registry_revision)s, %(body)s
)
ON CONFLICT (episode) DO UPDATE SET
    revision = excluded.revision, state = excluded.state, level = excluded.level, level_name = excluded.level_name,
    tier = excluded.tier, peak_level = excluded.peak_level, peak_level_name = excluded.peak_level_name,
    peak_tier = excluded.peak_tier, tag = excluded.tag, value = excluded.value, peak_value = excluded.peak_value,
    limit_value = excluded.limit_value, unit = excluded.unit, quality = excluded.quality, gas = excluded.gas,
    onset_at = excluded.onset_at, doubtful = excluded.doubtful, raised_at = excluded.raised_at,
    changed_at = excluded.changed_at, returned_at = excluded.returned_at, acknowledged_at = excluded.acknowledged_at,
    acknowledged_by = excluded.acknowledged_by, comment = excluded.comment, unconfirmed = excluded.unconfirmed,
    text_zh = excluded.text_zh, text_en = excluded.text_en, park = excluded.park, enterprise = excluded.enterprise,
    hazard_source = excluded.hazard_source, equipment = excluded.equipment, route = excluded.route,
    registry_revision = excluded.registry_revision, body = excluded.body
WHERE alarms.revision < excluded.revision

-- notice --
INSERT INTO notices (
    id, episode, revision, alarm_id, channel, recipient, reason, tier, due_at, route, drill
) VALUES (
    %(id)s, %(episode)s, %(revision)s, %(alarm_id)s, %(channel)s, %(recipient)s, %(reason)s, %(tier)s, %(due_at)s,
    %(route)s, %(drill)s
)
ON CONFLICT (id) DO NOTHING

-- receipt --
INSERT INTO receipts (notice, attempt, kind, by, at, detail, provider_id)
VALUES (%(notice)s, %(attempt)s, %(kind)s, %(by)s, %(at)s, %(detail)s, %(provider_id)s)
ON CONFLICT (notice, attempt, kind, by) DO NOTHING

-- tag --
INSERT INTO tags (
    number, name, title_zh, title_en, unit, measure, cas, enterprise, hazard_source, equipment, range_low, range_high,
    retired, revision, body
) VALUES (
    %(number)s, %(name)s, %(title_zh)s, %(title_en)s, %(unit)s, %(measure)s, %(cas)s, %(enterprise)s,
    %(hazard_source)s, %(equipment)s, %(range_low)s, %(range_high)s, %(retired)s, %(revision)s, %(body)s
)
ON CONFLICT (number) DO UPDATE SET
    name = excluded.name, title_zh = excluded.title_zh, title_en = excluded.title_en, unit = excluded.unit,
    measure = excluded.measure, cas = excluded.cas, enterprise = excluded.enterprise,
    hazard_source = excluded.hazard_source, equipment = excluded.equipment, range_low = excluded.range_low,
    range_high = excluded.range_high, retired = excluded.retired, revision = excluded.revision, body = excluded.body
WHERE tags.revision < excluded.revision
