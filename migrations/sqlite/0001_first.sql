-- The tables of orchd, SQLite. The same file under migrations/postgres makes the same tables there; a test compares them.
-- Times are microseconds since 1970 (UTC). JSON is TEXT: payloads may hold \u0000, which JSONB refuses.

CREATE TABLE installations (
    id BLOB NOT NULL PRIMARY KEY,
    installation_id BIGINT NOT NULL,
    user_id BLOB,
    account_login TEXT NOT NULL,
    account_type TEXT NOT NULL,
    target_type TEXT NOT NULL,
    permissions TEXT NOT NULL DEFAULT '{}',
    events TEXT NOT NULL DEFAULT '[]',
    is_suspended BOOLEAN NOT NULL DEFAULT FALSE,
    suspended_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX installations_installation_id ON installations (installation_id);
CREATE INDEX installations_user_id ON installations (user_id);

CREATE TABLE repositories (
    id BLOB NOT NULL PRIMARY KEY,
    github_id BIGINT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    full_name TEXT NOT NULL,
    description TEXT,
    url TEXT NOT NULL,
    is_private BOOLEAN NOT NULL DEFAULT FALSE,
    default_branch TEXT NOT NULL DEFAULT 'main',
    last_event_at BIGINT,
    event_count BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX repositories_github_id ON repositories (github_id);
CREATE INDEX repositories_full_name ON repositories (lower(full_name));

CREATE TABLE installation_repositories (
    id BLOB NOT NULL PRIMARY KEY,
    installation_id BLOB NOT NULL REFERENCES installations (id) ON DELETE CASCADE,
    repository_id BLOB NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX installation_repositories_pair ON installation_repositories (installation_id, repository_id);
CREATE INDEX installation_repositories_repository ON installation_repositories (repository_id);

-- No foreign keys on the tables that ingest fills: one transaction writes a row together with those it names, and a
-- check of each would cost more than the row.
CREATE TABLE event_receipts (
    id BLOB NOT NULL PRIMARY KEY,
    delivery_id TEXT NOT NULL,
    installation_id BLOB,
    repository_id BLOB,
    source TEXT NOT NULL,
    event_type TEXT NOT NULL,
    event_action TEXT,
    actor TEXT,
    number BIGINT,
    target_object_ids TEXT NOT NULL DEFAULT '{}',
    received_at BIGINT NOT NULL,
    github_timestamp BIGINT,
    payload_storage TEXT,
    processing_status TEXT NOT NULL DEFAULT 'received',
    error_message TEXT,
    retry_count BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX event_receipts_repository ON event_receipts (repository_id, id);
CREATE INDEX event_receipts_item ON event_receipts (repository_id, number, id) WHERE number IS NOT NULL;
CREATE INDEX event_receipts_failed ON event_receipts (id) WHERE processing_status = 'failed';
CREATE INDEX event_receipts_objects ON event_receipts (id) WHERE payload_storage IS NOT NULL;

-- Says which deliveries are stored. A table and not a unique index: PostgreSQL keeps events by the month, and an index over
-- all months there is none.
CREATE TABLE delivery_ids (
    delivery_id TEXT NOT NULL PRIMARY KEY,
    event_id BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE event_payloads (
    event_id BLOB NOT NULL PRIMARY KEY,
    dictionary BIGINT NOT NULL,
    raw_payload BLOB NOT NULL
);

CREATE TABLE payload_dictionaries (
    id BIGINT NOT NULL PRIMARY KEY,
    sha256 TEXT NOT NULL,
    bytes BLOB NOT NULL
);

CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL DEFAULT 'process',
    event_id BLOB NOT NULL,
    effect_id BLOB,
    lane TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    attempts BIGINT NOT NULL DEFAULT 0,
    max_attempts BIGINT NOT NULL DEFAULT 8,
    run_at BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
) WITHOUT ROWID;
CREATE INDEX jobs_active ON jobs (lane, event_id, id) WHERE state IN ('queued', 'running');
CREATE UNIQUE INDEX jobs_one_running_a_lane ON jobs (lane) WHERE state = 'running';
CREATE INDEX jobs_state ON jobs (state, id) WHERE state IN ('dead', 'discarded');
CREATE INDEX jobs_waiting ON jobs (run_at) WHERE state = 'queued' AND last_error IS NOT NULL;
CREATE INDEX jobs_of_event ON jobs (event_id) WHERE kind = 'apply';
CREATE INDEX jobs_of_effect ON jobs (effect_id) WHERE kind = 'apply';

CREATE TABLE decisions (
    id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    rule TEXT NOT NULL,
    mode TEXT NOT NULL,
    verdict TEXT NOT NULL,
    explanation TEXT NOT NULL,
    config_revision TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    PRIMARY KEY (event_id, id)
) WITHOUT ROWID;

CREATE TABLE effects (
    id BLOB NOT NULL PRIMARY KEY,
    cursor BLOB NOT NULL,
    event_id BLOB NOT NULL,
    rule TEXT NOT NULL,
    action TEXT NOT NULL,
    repository TEXT NOT NULL,
    installation BIGINT,
    number BIGINT NOT NULL,
    params TEXT NOT NULL,
    state TEXT NOT NULL,
    config_revision TEXT NOT NULL,
    change TEXT,
    before_state TEXT,
    after_state TEXT,
    note TEXT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
) WITHOUT ROWID;
CREATE UNIQUE INDEX effects_cursor ON effects (cursor);
CREATE INDEX effects_event ON effects (event_id, cursor);
CREATE INDEX effects_item ON effects (lower(repository), number, cursor);
CREATE INDEX effects_repository ON effects (lower(repository), cursor);
CREATE INDEX effects_rule ON effects (rule, cursor);
CREATE INDEX effects_state ON effects (state, cursor);
CREATE INDEX effects_written ON effects (rule, started_at) WHERE state IN ('writing', 'applied', 'undone');

CREATE TABLE hand_changes (
    repository_id BLOB NOT NULL,
    number BIGINT NOT NULL,
    thing TEXT NOT NULL,
    name TEXT NOT NULL,
    hand TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, number, thing, name)
) WITHOUT ROWID;

CREATE TABLE config_revisions (
    revision TEXT NOT NULL PRIMARY KEY,
    git_commit TEXT,
    path TEXT NOT NULL,
    effective TEXT NOT NULL,
    loaded_at BIGINT NOT NULL
);
CREATE INDEX config_revisions_loaded_at ON config_revisions (loaded_at);
