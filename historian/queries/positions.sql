-- load --
SELECT incarnation, next_offset FROM log_positions WHERE topic = %(topic)s AND partition = %(partition)s

-- start --
-- A partition that was never read, or a new incarnation of the log: only ever forward.
INSERT INTO log_positions (topic, partition, incarnation, next_offset, complete_to)
VALUES (%(topic)s, %(partition)s, %(incarnation)s, %(next_offset)s, '2000-01-01 00:00:00+00')
ON CONFLICT (topic, partition) DO UPDATE
SET incarnation = excluded.incarnation, next_offset = excluded.next_offset
WHERE log_positions.incarnation < excluded.incarnation

-- advance --
-- Fenced: a partition whose position is not the expected one is not moved, and the caller gives the transaction up.
UPDATE log_positions p
SET next_offset = m.next_offset, complete_to = greatest(p.complete_to, m.complete_to)
FROM unnest(
    %(topics)s::text[], %(partitions)s::int4[], %(expected)s::int8[], %(next_offsets)s::int8[],
    %(complete_to)s::timestamptz[]
) m (topic, partition, expected, next_offset, complete_to)
WHERE p.topic = m.topic AND p.partition = m.partition
    AND p.incarnation = %(incarnation)s AND p.next_offset = m.expected

-- gap --
INSERT INTO history_gaps (topic, partition, incarnation, from_offset, to_offset, reason, detail)
VALUES (%(topic)s, %(partition)s, %(incarnation)s, %(from_offset)s, %(to_offset)s, %(reason)s, %(detail)s)
