-- Taking effects back: an undo is an effect too, and says which one it takes back and which rollback asked for it.

ALTER TABLE effects ADD COLUMN undoes BLOB;
ALTER TABLE effects ADD COLUMN rollback_id BLOB;
CREATE INDEX effects_rollback ON effects (rollback_id, cursor) WHERE rollback_id IS NOT NULL;

CREATE TABLE rollbacks (
    id BLOB NOT NULL PRIMARY KEY,
    filter TEXT NOT NULL,
    most_effects BIGINT NOT NULL,
    cut_off BOOLEAN NOT NULL DEFAULT FALSE,
    note TEXT,
    created_at BIGINT NOT NULL,
    planned_at BIGINT,
    executed_at BIGINT
) WITHOUT ROWID;
CREATE INDEX rollbacks_unplanned ON rollbacks (id) WHERE planned_at IS NULL;

-- undo_id is the id of the effect that takes effect_id back, given beforehand: its order is the order of the rollback,
-- the newest effect first.
CREATE TABLE rollback_items (
    rollback_id BLOB NOT NULL,
    undo_id BLOB NOT NULL,
    effect_id BLOB NOT NULL,
    verdict TEXT,
    note TEXT,
    PRIMARY KEY (rollback_id, undo_id)
) WITHOUT ROWID;
