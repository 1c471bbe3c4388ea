-- How far recovery has looked, by what it looks through, and what could not be recovered any more.
CREATE TABLE recoveries (
    scope TEXT NOT NULL PRIMARY KEY,
    seen_until BIGINT NOT NULL,
    resume_cursor TEXT,
    resume_top BIGINT,
    lost_from BIGINT,
    lost_until BIGINT,
    lost_noticed_at BIGINT,
    updated_at BIGINT NOT NULL
);

-- When the row's state was true, by GitHub's clock. An event that tells an older one changes nothing.
ALTER TABLE repositories ADD COLUMN told_at BIGINT;
ALTER TABLE installations ADD COLUMN told_at BIGINT;
