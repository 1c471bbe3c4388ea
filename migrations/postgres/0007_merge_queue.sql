-- Merges that wait, in line for their base branch.

CREATE TABLE merge_queue (
    effect_id UUID NOT NULL PRIMARY KEY,
    -- In lower case.
    repository TEXT NOT NULL,
    number BIGINT NOT NULL,
    rule TEXT NOT NULL,
    base TEXT NOT NULL,
    head TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- Whether those behind it wait for it, and whether all it waits for is its turn.
    holds_place BOOLEAN NOT NULL,
    is_ready BOOLEAN NOT NULL,
    queued_at BIGINT NOT NULL,
    waits_since BIGINT NOT NULL,
    look_at BIGINT NOT NULL
);
CREATE INDEX merge_queue_line ON merge_queue (repository, base, queued_at, effect_id);
