//! Lists cut to what somebody sees, at a cost that does not grow with what they do not see.
//!
//! The newest rows of a few among many repositories are found in two steps: the newest of each, as many as fill the page
//! together, which bounds how far back the page reaches; then of those repositories that have a row within the bound, the
//! other rows within it. Whoever sees many repositories mostly sees much of what arrived last: then a
//! short walk back through all of it fills the page sooner, and is tried first.
//!
//! A name that was freed goes to whoever takes it, and so does the sight of it. Events are of a repository's row: those of
//! the one that had the name before are seen by nobody but who sees the site. Rows that hold the name as text are told
//! apart by time: those from before the youngest repository of that name was heard of are not seen either. What that
//! leaves open: when a repository that was known under another name is renamed to a freed one, the rows of the one
//! before it are seen under that name.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::{Database, Encode, QueryBuilder, Type};
use uuid::Uuid;

use super::dialect::Dialect;
use super::repositories::{HEARD_OF, since_named};
use super::{Db, StoreError};
use crate::core::access::{Level, Sight};
use crate::core::event::RepoName;

/// From so many repositories on, a walk is tried first.
const MANY: usize = 200;

/// Rows that a walk looks at.
const WALK: i64 = 2_000;

/// The repositories to which a list is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Among {
    /// And what is of no repository.
    #[default]
    All,
    /// By their names in small letters; what is of no repository is not among them.
    Only(Arc<BTreeSet<String>>),
}

impl Among {
    /// What somebody sees.
    pub fn of(sight: &Sight) -> Self {
        sight.only().map_or(Self::All, Self::only)
    }

    /// Where somebody has at least this level: of what they may change.
    pub fn where_at_least(sight: &Sight, level: Level) -> Self {
        sight.where_at_least(level).map_or(Self::All, Self::only)
    }

    pub fn only<'a>(names: impl IntoIterator<Item = &'a RepoName>) -> Self {
        Self::Only(Arc::new(names.into_iter().map(small).collect()))
    }

    /// Whether what is of this repository is seen; `None`: it is of none.
    pub fn has(&self, repository: Option<&RepoName>) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => repository.is_some_and(|name| names.contains(&small(name))),
        }
    }

    /// A list that is for one repository and is cut: to nothing, when that one is not seen.
    pub(super) fn narrowed(&self, repository: Option<&RepoName>) -> Self {
        match (self, repository) {
            (Self::Only(_), Some(name)) if self.has(repository) => Self::only([name]),
            (Self::Only(_), Some(_)) => Self::only([]),
            _ => self.clone(),
        }
    }

    /// The names for a statement; `None`: nothing is cut.
    pub(super) fn names(&self) -> Option<Set> {
        self.set(Kind::Names)
    }

    /// The same where names are compared byte by byte on PostgreSQL.
    pub(super) fn lanes(&self) -> Option<Set> {
        self.set(Kind::Lanes)
    }

    fn set(&self, kind: Kind) -> Option<Set> {
        let Self::Only(names) = self else { return None };
        // Names hold nothing that JSON writes in another way.
        let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
        Some(Set { list: format!("[{}]", quoted.join(",")), members: names.len(), kind })
    }
}

fn small(name: &RepoName) -> String {
    name.as_str().to_ascii_lowercase()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Names,
    Lanes,
    Ids,
}

/// Repositories as one parameter, however many there are: a JSON list, of names or of row ids.
#[derive(Clone, Debug)]
pub(super) struct Set {
    list: String,
    members: usize,
    kind: Kind,
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// A table with the one column `place`.
    pub(super) fn push<DB>(&self, query: &mut QueryBuilder<DB>, dialect: Dialect)
    where
        DB: Database,
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let (head, tail) = match (dialect, self.kind) {
            (Dialect::Sqlite, Kind::Names | Kind::Lanes) => ("(SELECT value AS place FROM json_each(", "))"),
            (Dialect::Sqlite, Kind::Ids) => ("(SELECT unhex(value) AS place FROM json_each(", "))"),
            (Dialect::Postgres, Kind::Names) => {
                ("(SELECT value AS place FROM json_array_elements_text(CAST(", " AS JSON)))")
            }
            (Dialect::Postgres, Kind::Lanes) => {
                ("(SELECT value COLLATE \"C\" AS place FROM json_array_elements_text(CAST(", " AS JSON)))")
            }
            (Dialect::Postgres, Kind::Ids) => {
                ("(SELECT CAST(value AS UUID) AS place FROM json_array_elements_text(CAST(", " AS JSON)))")
            }
        };
        query.push(head).push_bind(self.list.clone()).push(tail);
    }
}

/// How the rows of a page are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Whatever index the conditions have, and a look whether each row is seen.
    Test,
    /// The last [`WALK`] rows of all, or all up to where the look ends. It may not fill the page though there is more.
    Walk,
    /// Repository by repository.
    Merge,
}

/// What of a list somebody sees, and how it is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share<'a> {
    pub(super) set: &'a Set,
    pub(super) dialect: Dialect,
    /// `event_receipts e`.
    pub(super) table: &'static str,
    /// What holds the repository. With `cursor` it has an index, in this order.
    pub(super) place: &'static str,
    /// What the list is ordered by: a key of the table.
    pub(super) cursor: &'static str,
    pub(super) oldest_first: bool,
    /// Rows to read.
    pub(super) rows: i64,
    /// The conditions end the look somewhere. SQLite goes by one bound of an index: that one, and not the page's.
    pub(super) ends: bool,
    /// When a row was made, where `place` is a name; `None`: it is a repository's id.
    pub(super) made_at: Option<&'static str>,
}

impl Share<'_> {
    /// In which order ways are tried. `few`: the conditions have an index that leaves few rows.
    pub(super) fn ways(&self, few: bool) -> &'static [Way] {
        match self.set.members {
            0 => &[],
            _ if few => &[Way::Test],
            // What is looked at has an end, near enough to come to.
            MANY.. if self.ends => &[Way::Walk],
            // Who reads on from where they were has read nearly all.
            _ if self.oldest_first => &[Way::Walk, Way::Merge],
            MANY.. => &[Way::Walk, Way::Merge],
            _ => &[Way::Merge],
        }
    }

    /// Whether no other way needs to be tried.
    pub(super) fn is_filled(&self, way: Way, found: usize) -> bool {
        way != Way::Walk || self.walks_to_the_end() || i64::try_from(found).is_ok_and(|found| found >= self.rows)
    }

    /// Whether a walk goes as far as the conditions do.
    fn walks_to_the_end(&self) -> bool {
        self.ends && self.set.members >= MANY
    }

    /// A whole question: whether there are more rows than a walk looks at.
    pub(super) fn push_further<DB: Database>(
        &self,
        query: &mut QueryBuilder<DB>,
        bounds: impl Fn(&mut QueryBuilder<DB>),
    ) {
        let Self { table, cursor, .. } = self;
        let order = if self.oldest_first { "ASC" } else { "DESC" };
        query.push(format_args!("SELECT EXISTS (SELECT 1 FROM {table} WHERE 1 = 1"));
        bounds(query);
        query.push(format_args!(" ORDER BY {cursor} {order} LIMIT 1 OFFSET {WALK})"));
    }

    /// The condition that the row is one of the page. `bounds` pushes what of the conditions says where in the order the
    /// page lies, `conditions` all of them; both are said of the table's alias and begin with ` AND `.
    pub(super) fn push<DB>(
        &self,
        query: &mut QueryBuilder<DB>,
        way: Way,
        bounds: impl Fn(&mut QueryBuilder<DB>),
        conditions: impl Fn(&mut QueryBuilder<DB>),
    ) where
        DB: Database,
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        match way {
            Way::Test => {
                query.push(format_args!(" AND {}{} IN ", self.by_no_index(), self.place));
                self.set.push(query, self.dialect);
                self.push_since(query, self.place);
                conditions(query);
            }
            Way::Walk => self.push_walk(query, bounds, conditions),
            Way::Merge => self.push_merge(query, conditions),
        }
    }

    /// `place` is the row's, or the one of which it is a row: then that is asked once for all its rows.
    fn push_since<DB: Database>(&self, query: &mut QueryBuilder<DB>, place: &str) {
        let Some(made_at) = self.made_at else { return };
        query.push(match (self.dialect, self.set.kind) {
            (Dialect::Postgres, Kind::Lanes) => since_named(&format!("({place} COLLATE \"default\")"), made_at),
            _ => since_named(place, made_at),
        });
    }

    fn order(&self) -> &'static str {
        if self.oldest_first { "ASC" } else { "DESC" }
    }

    fn push_walk<DB>(
        &self,
        query: &mut QueryBuilder<DB>,
        bounds: impl Fn(&mut QueryBuilder<DB>),
        conditions: impl Fn(&mut QueryBuilder<DB>),
    ) where
        DB: Database,
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let (Self { table, place, cursor, rows, .. }, order) = (self, self.order());
        let alias = table.rsplit(' ').next().unwrap_or(table);
        let (head, tail) = one_of(self.dialect);
        query.push(format_args!(" AND {cursor}{head}SELECT {cursor} FROM (SELECT * FROM {table} WHERE 1 = 1"));
        bounds(query);
        query.push(format_args!(" ORDER BY {cursor} {order}"));
        if !self.walks_to_the_end() {
            query.push(format_args!(" LIMIT {WALK}"));
        }
        query.push(format_args!(") {alias} WHERE ({place} IN "));
        self.set.push(query, self.dialect);
        // Said so, it is no join: PostgreSQL looks each row up in a table of the members, and not each row in their list.
        query.push(") IS TRUE");
        self.push_since(query, self.place);
        conditions(query);
        query.push(format_args!(" ORDER BY {cursor} {order} LIMIT {rows}{tail}"));
    }

    /// So many rows of each repository that together they fill the page: the last one on that page is a bound, and only
    /// repositories with a row on it can have others before the bound.
    fn push_merge<DB>(&self, query: &mut QueryBuilder<DB>, conditions: impl Fn(&mut QueryBuilder<DB>))
    where
        DB: Database,
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        let (Self { cursor, rows, .. }, order) = (self, self.order());
        let key = cursor.rsplit('.').next().unwrap_or(cursor);
        let (head, tail) = one_of(self.dialect);
        let members = i64::try_from(self.set.members).unwrap_or(i64::MAX).max(1);
        let sample = (rows * 2 / members).clamp(1, *rows);
        query
            .push(format_args!(" AND {cursor}{head}WITH first AS MATERIALIZED (SELECT s.place, x.{key} AS head FROM "));
        self.set.push(query, self.dialect);
        query.push(" s CROSS JOIN ");
        self.push_each(query, "s.place", "", sample, &conditions);
        query.push(format_args!(
            "), near AS MATERIALIZED (SELECT DISTINCT place FROM (SELECT place, head FROM first
                ORDER BY head {order} LIMIT {rows}) f) SELECT x.{key} FROM near CROSS JOIN "
        ));
        let (least, beyond) = if self.oldest_first { ("<=", self.last()) } else { (">=", self.lowest()) };
        let by_no_index = if self.ends { self.by_no_index() } else { "" };
        let bound = format!(
            " AND {by_no_index}{cursor} {least} COALESCE((SELECT head FROM first ORDER BY head {order} LIMIT 1 OFFSET {}), {beyond})",
            rows - 1
        );
        self.push_each(query, "near.place", &bound, *rows, &conditions);
        query.push(format_args!(" ORDER BY x.{key} {order} LIMIT {rows}{tail}"));
    }

    /// The first rows of each repository, as `x`.
    fn push_each<DB: Database>(
        &self,
        query: &mut QueryBuilder<DB>,
        of: &str,
        bound: &str,
        rows: i64,
        conditions: impl Fn(&mut QueryBuilder<DB>),
    ) {
        let (Self { table, place, cursor, .. }, order) = (self, self.order());
        let (name, key) = (table.split(' ').next().unwrap_or(table), cursor.rsplit('.').next().unwrap_or(cursor));
        let (head, tail) = match self.dialect {
            Dialect::Sqlite => (format!("{name} x WHERE x.{key} IN ("), ")"),
            Dialect::Postgres => ("LATERAL (".to_owned(), ") x"),
        };
        query.push(format_args!("{head}SELECT {cursor} FROM {table} WHERE {place} = {of}{bound}"));
        self.push_since(query, of);
        conditions(query);
        query.push(format_args!(" ORDER BY {cursor} {order} LIMIT {rows}{tail}"));
    }

    /// SQLite takes an index on what this stands before for none: it would read all rows of many repositories, where
    /// the other conditions leave few.
    fn by_no_index(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "+",
            Dialect::Postgres => "",
        }
    }

    /// Before every value of the cursor.
    fn lowest(&self) -> &'static str {
        match (self.dialect, self.cursor) {
            (_, "seq") => "0",
            (Dialect::Sqlite, _) => "x''",
            (Dialect::Postgres, _) => "CAST('00000000-0000-0000-0000-000000000000' AS UUID)",
        }
    }

    /// After every value of the cursor.
    fn last(&self) -> &'static str {
        match (self.dialect, self.cursor) {
            (_, "seq") => "9223372036854775807",
            (Dialect::Sqlite, _) => "x'ffffffffffffffffffffffffffffffff'",
            (Dialect::Postgres, _) => "CAST('ffffffff-ffff-ffff-ffff-ffffffffffff' AS UUID)",
        }
    }
}

/// Around a subquery: one of what it gives. PostgreSQL must not be led to walk along the order, or along a table that is
/// joined, until it met them all.
pub(super) fn one_of(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::Sqlite => (" IN (", ")"),
        Dialect::Postgres => (" = ANY(ARRAY(", "))"),
    }
}

impl Db {
    /// The row ids of the repositories that have these names now. A deleted one keeps its name, and whoever sees the one
    /// that has it after it sees nothing of it.
    pub(super) async fn ids_among(&self, among: &Among) -> Result<Option<Set>, StoreError> {
        let Some(names) = among.names() else { return Ok(None) };
        let dialect = self.dialect();
        // repositories_full_name.
        let found: Vec<(Uuid, String, i64)> = on_db!(self, conn => {
            let mut query = QueryBuilder::new(format!(
                "SELECT r.id, lower(r.full_name), {HEARD_OF} FROM repositories r WHERE lower(r.full_name) IN "
            ));
            names.push(&mut query, dialect);
            query.build_query_as().fetch_all(conn).await
        })?;
        let mut named_now: HashMap<String, (i64, Uuid)> = HashMap::with_capacity(found.len());
        for (id, name, heard_of) in found {
            let latest = named_now.entry(name).or_insert((heard_of, id));
            *latest = (*latest).max((heard_of, id));
        }
        let quoted: Vec<_> = named_now.values().map(|(_, id)| format!("\"{}\"", id.simple())).collect();
        Ok(Some(Set { list: format!("[{}]", quoted.join(",")), members: quoted.len(), kind: Kind::Ids }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name(text: &str) -> RepoName {
        RepoName::parse(text).unwrap()
    }

    #[test]
    fn whoever_sees_the_site_sees_what_is_of_no_repository_too() {
        assert!(Among::of(&Sight::everything()).has(None));
        let some = Among::of(&Sight::new(None, [(name("acme/Web"), Level::Viewer)]));
        assert!(some.has(Some(&name("ACME/web"))));
        assert!(!some.has(Some(&name("acme/api"))));
        assert!(!some.has(None));
        assert_eq!(Among::of(&Sight::default()), Among::only([]));
    }

    #[test]
    fn who_sees_all_may_change_some() {
        let sight =
            Sight::new(Some(Level::Viewer), [(name("acme/web"), Level::Operator), (name("acme/api"), Level::Viewer)]);
        assert_eq!(Among::where_at_least(&sight, Level::Viewer), Among::All);
        assert_eq!(Among::where_at_least(&sight, Level::Operator), Among::only(&[name("acme/web")]));
        assert_eq!(Among::where_at_least(&sight, Level::Admin), Among::only([]));
    }

    #[test]
    fn a_list_for_one_repository_is_that_one_or_nothing() {
        let some = Among::only(&[name("acme/web"), name("acme/api")]);
        assert_eq!(some.narrowed(Some(&name("acme/Web"))), Among::only(&[name("acme/web")]));
        assert_eq!(some.narrowed(Some(&name("acme/docs"))), Among::only([]));
        assert_eq!(some.narrowed(None), some);
        assert_eq!(Among::All.narrowed(Some(&name("acme/web"))), Among::All);
    }
}
