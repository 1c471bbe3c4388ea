-- What GitHub told beside the payload, when an event was decided: JSON, zstd with the dictionary of that number. An event
-- whose payload told everything has no row.
CREATE TABLE event_facts (
    event_id UUID NOT NULL PRIMARY KEY,
    dictionary BIGINT NOT NULL,
    facts BYTEA NOT NULL
) PARTITION BY RANGE (event_id);
CREATE TABLE event_facts_rest PARTITION OF event_facts DEFAULT;
