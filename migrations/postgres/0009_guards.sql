-- What our own effects caused, breakers that tripped, and what is known of items from before their first event.

-- Events that an effect of ours caused. Depth counts the effects in a row that led to the event.
CREATE TABLE causes (
    event_id UUID NOT NULL PRIMARY KEY,
    effect_id UUID NOT NULL,
    depth BIGINT NOT NULL
);

-- One row a rule and item; it stays when the breaker is reset, and says since when effects count anew.
CREATE TABLE guard_trips (
    id UUID NOT NULL PRIMARY KEY,
    rule TEXT COLLATE "C" NOT NULL,
    repository TEXT NOT NULL,
    number BIGINT NOT NULL,
    guard TEXT NOT NULL,
    note TEXT NOT NULL,
    tripped_at BIGINT NOT NULL,
    ends_at BIGINT,
    reset_at BIGINT
);
CREATE UNIQUE INDEX guard_trips_place ON guard_trips (rule, lower(repository), number);
CREATE INDEX guard_trips_open ON guard_trips (tripped_at) WHERE reset_at IS NULL;

-- Items whose timeline was read, for what people did before orchd heard of them.
CREATE TABLE learnt_items (
    repository_id UUID NOT NULL,
    number BIGINT NOT NULL,
    learnt_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, number)
);

-- Changed configs that wait for a person because they would touch much, and those that were let in.
CREATE TABLE config_holds (
    revision TEXT NOT NULL PRIMARY KEY,
    hold TEXT NOT NULL,
    held_at BIGINT NOT NULL,
    confirmed_at BIGINT
);

CREATE INDEX effects_written_at ON effects (started_at) WHERE state IN ('writing', 'applied', 'undone');
