-- The audit chain: each row's hash covers the one before it.

CREATE TABLE audit (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    event_id UUID,
    rule TEXT,
    effect_id UUID,
    action TEXT,
    config_revision TEXT,
    repository TEXT,
    number BIGINT,
    -- What is personal, and may be dropped together with the salt of its digest.
    actor_name TEXT,
    before_state TEXT,
    after_state TEXT,
    note TEXT,
    salt BYTEA,
    personal_digest BYTEA NOT NULL,
    hash BYTEA NOT NULL
);
CREATE INDEX audit_kind ON audit (kind, seq);
CREATE INDEX audit_repository ON audit (lower(repository), seq);
CREATE INDEX audit_at ON audit (at, seq);
