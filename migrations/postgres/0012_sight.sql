-- What lists need that are cut to what somebody sees.

-- The repositories that a rollback was asked for or touches, in small letters: who sees all of them sees the rollback.
CREATE TABLE rollback_repositories (
    rollback_id UUID NOT NULL,
    repository TEXT NOT NULL,
    PRIMARY KEY (rollback_id, repository)
);
INSERT INTO rollback_repositories (rollback_id, repository)
SELECT DISTINCT i.rollback_id, lower(e.repository) FROM rollback_items i JOIN effects e ON e.id = i.effect_id;

CREATE INDEX jobs_lane ON jobs (lane, id);
