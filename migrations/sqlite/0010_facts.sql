-- What GitHub told beside the payload, when an event was decided: JSON, zstd with the dictionary of that number. An event
-- whose payload told everything has no row.
CREATE TABLE event_facts (
    event_id BLOB NOT NULL PRIMARY KEY,
    dictionary BIGINT NOT NULL,
    facts BLOB NOT NULL
);
