-- What was asked of GitHub lately, so that a restart, and several daemons, keep to one budget.

CREATE TABLE rate_budgets (
    name TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    updated_at BIGINT NOT NULL
) WITHOUT ROWID;
