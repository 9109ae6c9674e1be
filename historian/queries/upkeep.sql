-- expire_alarms --
-- Finished alarms whose last change is older than what is kept, with everything that hangs on them.
WITH gone AS (
    DELETE FROM alarms
    WHERE state = 'normal' AND changed_at < now() - %(keep)s::interval
    RETURNING episode
), transitions AS (
    DELETE FROM alarm_transitions t USING gone WHERE t.episode = gone.episode
), messages AS (
    DELETE FROM notices n USING gone WHERE n.episode = gone.episode RETURNING n.id
)
DELETE FROM receipts r USING messages m WHERE r.notice = m.id

-- expire_orphans --
DELETE FROM receipts r
WHERE at < now() - %(keep)s::interval AND NOT EXISTS (SELECT FROM notices n WHERE n.id = r.notice)
