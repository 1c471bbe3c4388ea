-- Installations as GitHub lists them, what waits for a suspended one, and the config files of repositories.

ALTER TABLE installations ADD COLUMN repository_selection TEXT NOT NULL DEFAULT '';
ALTER TABLE installations ADD COLUMN deleted_at BIGINT;
-- As of when the row is what GitHub says: an older word does not replace it.
ALTER TABLE installations ADD COLUMN known_at BIGINT NOT NULL DEFAULT 0;

ALTER TABLE installation_repositories ADD COLUMN removed_at BIGINT;
ALTER TABLE installation_repositories ADD COLUMN known_at BIGINT NOT NULL DEFAULT 0;

-- Effects that were held, and events that were decided without facts, because the installation was suspended.
CREATE TABLE stopped_work (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    installation BIGINT NOT NULL,
    stopped_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX stopped_work_installation ON stopped_work (installation, id);

CREATE TABLE repository_configs (
    repository_id BLOB NOT NULL PRIMARY KEY,
    path TEXT NOT NULL,
    blob_sha TEXT,
    problems TEXT NOT NULL DEFAULT '[]',
    good_sha TEXT,
    good_text TEXT,
    checked_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX repository_configs_bad ON repository_configs (repository_id) WHERE problems <> '[]';
