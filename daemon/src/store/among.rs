//! Lists cut to what somebody sees, at a cost that does not grow with what they do not see.
//!
//! The newest rows of a few among many repositories are found in three steps: the newest row of each (one look into the
//! index each); the repositories whose newest row is among as many as fill the page, since no other can have a row on it;
//! and of each of those at most a page. Whoever sees many repositories mostly sees much of what arrived last: then a
//! short walk back through all of it fills the page sooner, and is tried first.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::{Database, Encode, QueryBuilder, Type};
use uuid::Uuid;

use super::dialect::Dialect;
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
    /// The last [`WALK`] rows of all. It may not fill the page though there is more.
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
}

impl Share<'_> {
    /// In which order ways are tried. `few`: the conditions have an index that leaves few rows.
    pub(super) fn ways(&self, few: bool) -> &'static [Way] {
        match self.set.members {
            0 => &[],
            _ if few => &[Way::Test],
            MANY.. => &[Way::Walk, Way::Merge],
            _ => &[Way::Merge],
        }
    }

    /// Whether no other way needs to be tried.
    pub(super) fn is_filled(&self, way: Way, found: usize) -> bool {
        way != Way::Walk || i64::try_from(found).is_ok_and(|found| found >= self.rows)
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
        let Self { table, place, cursor, rows, .. } = self;
        let (name, alias) = table.split_once(' ').unwrap_or((table, table));
        let order = if self.oldest_first { "ASC" } else { "DESC" };
        match way {
            Way::Test => {
                query.push(format_args!(" AND {place} IN "));
                self.set.push(query, self.dialect);
                conditions(query);
            }
            Way::Walk => {
                query.push(format_args!(" AND {cursor} IN (SELECT {cursor} FROM (SELECT * FROM {table} WHERE 1 = 1"));
                bounds(query);
                query.push(format_args!(" ORDER BY {cursor} {order} LIMIT {WALK}) {alias} WHERE {place} IN "));
                self.set.push(query, self.dialect);
                conditions(query);
                query.push(format_args!(" ORDER BY {cursor} {order} LIMIT {rows})"));
            }
            Way::Merge => {
                let key = cursor.rsplit('.').next().unwrap_or(cursor);
                query.push(format_args!(
                    " AND {cursor} IN (WITH heads AS MATERIALIZED (SELECT s.place, (SELECT {cursor} FROM {table}
                        WHERE {place} = s.place"
                ));
                conditions(query);
                query.push(format_args!(" ORDER BY {cursor} {order} LIMIT 1) AS head FROM "));
                self.set.push(query, self.dialect);
                query.push(format_args!(
                    " s), near AS MATERIALIZED (SELECT place FROM heads WHERE head IS NOT NULL
                        ORDER BY head {order} LIMIT {rows}) SELECT x.{key} FROM near CROSS JOIN "
                ));
                let (head, tail) = match self.dialect {
                    Dialect::Sqlite => (format!("{name} x WHERE x.{key} IN ("), ")"),
                    Dialect::Postgres => ("LATERAL (".to_owned(), ") x"),
                };
                query.push(format_args!("{head}SELECT {cursor} FROM {table} WHERE {place} = near.place"));
                conditions(query);
                query.push(format_args!(
                    " ORDER BY {cursor} {order} LIMIT {rows}{tail} ORDER BY x.{key} {order} LIMIT {rows})"
                ));
            }
        }
    }
}

impl Db {
    /// The row ids of the repositories that have these names now; deleted ones keep theirs.
    pub(super) async fn ids_among(&self, among: &Among) -> Result<Option<Set>, StoreError> {
        let Some(names) = among.names() else { return Ok(None) };
        let dialect = self.dialect();
        // repositories_full_name.
        let ids: Vec<Uuid> = on_db!(self, conn => {
            let mut query = QueryBuilder::new("SELECT id FROM repositories WHERE lower(full_name) IN ");
            names.push(&mut query, dialect);
            query.build_query_scalar().fetch_all(conn).await
        })?;
        let quoted: Vec<_> = ids.iter().map(|id| format!("\"{}\"", id.simple())).collect();
        Ok(Some(Set { list: format!("[{}]", quoted.join(",")), members: ids.len(), kind: Kind::Ids }))
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
