-- Effects on a commit (its id) or on the repository as such (`repository`); an effect on an item has none. `number` is then
-- that of the item the event was about, or 0.
ALTER TABLE effects ADD COLUMN subject TEXT;
-- A person's word that a quarantined effect did not happen and is to be done.
ALTER TABLE effects ADD COLUMN write_again BOOLEAN NOT NULL DEFAULT FALSE;
