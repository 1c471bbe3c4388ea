-- People who sign in, their sessions, keys for scripts, and requests that may be sent twice.

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    github_id BIGINT NOT NULL,
    username TEXT NOT NULL,
    email TEXT,
    avatar_url TEXT,
    -- Encrypted; each names the key it is encrypted with. NULL: there is none any more.
    access_token TEXT,
    access_token_expires_at BIGINT,
    refresh_token TEXT,
    refresh_token_expires_at BIGINT,
    -- The id of the key that both are encrypted with.
    token_key TEXT,
    -- Until then one daemon is refreshing them: a refresh token is good for one use.
    refreshing_until BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_github_id ON users (github_id);

CREATE TABLE user_sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of the cookie, as hexadecimal digits.
    session_token TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- However much it is used.
    ends_at BIGINT NOT NULL,
    last_activity_at BIGINT NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX user_sessions_token ON user_sessions (session_token);
CREATE INDEX user_sessions_user ON user_sessions (user_id, last_activity_at);
CREATE INDEX user_sessions_expires ON user_sessions (expires_at);

-- Somebody went to GitHub to sign in, and has not come back yet.
CREATE TABLE pending_logins (
    -- SHA-256 of `state`, as hexadecimal digits.
    state TEXT NOT NULL PRIMARY KEY,
    -- SHA-256 of the cookie of the browser that went.
    browser TEXT NOT NULL,
    -- The PKCE verifier, encrypted.
    verifier TEXT NOT NULL,
    return_to TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pending_logins_expires ON pending_logins (expires_at);

CREATE TABLE api_keys (
    id BLOB NOT NULL PRIMARY KEY,
    -- NULL: made by the owner of the machine, and bound to no person.
    user_id BLOB REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- SHA-256 of the key, as hexadecimal digits.
    key_hash TEXT NOT NULL,
    -- The first characters of the key, to tell it from others.
    beginning TEXT NOT NULL,
    level TEXT NOT NULL,
    scopes TEXT NOT NULL,
    -- A list of names; NULL: all that its owner sees.
    repositories TEXT,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (key_hash);
CREATE INDEX api_keys_user ON api_keys (user_id, id);
CREATE INDEX api_keys_ended ON api_keys (COALESCE(revoked_at, expires_at));

-- Answers to requests with an `Idempotency-Key`.
CREATE TABLE idempotent_requests (
    caller TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    -- Of what is asked, and of what the caller may see and do.
    request_hash TEXT NOT NULL,
    -- NULL: it is still being answered, or how it ended is not known.
    status BIGINT,
    body BLOB,
    -- Renewed while it is being answered.
    created_at BIGINT NOT NULL,
    PRIMARY KEY (caller, idempotency_key)
);
CREATE INDEX idempotent_requests_created ON idempotent_requests (created_at);
