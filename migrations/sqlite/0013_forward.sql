-- Tokens of workflows that were used: each is good for one delivery, also over restarts and several daemons.
CREATE TABLE forward_tokens (
    -- The token's `jti`.
    jti TEXT NOT NULL PRIMARY KEY,
    -- The delivery it was used for: sent again it is the same.
    delivery_id TEXT NOT NULL,
    -- From when on the token itself is not taken any more.
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX forward_tokens_expires ON forward_tokens (expires_at);
