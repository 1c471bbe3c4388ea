//! Many rows as one table inside a statement: one text and one trip, however many there are.
//!
//! On SQLite `{rows}` becomes `(VALUES (?,?),(?,?)…)`, in a few sizes so that each is prepared once; what is left over is
//! filled with rows of NULL, so the statement says `WHERE v.column1 IS NOT NULL` or joins on `column1`. On PostgreSQL it
//! becomes an `UNNEST` of one array a column, which is planned once for any number.

use std::sync::Arc;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::dialect::Tx;

/// Rows of one statement: steps close enough that little is filled up, few enough that little is prepared.
const SIZES: [usize; 13] = [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, MOST];

/// More are cut into several statements.
const MOST: usize = 256;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Id,
    Text,
    Int,
    Bytes,
}

/// A value for it. One of another kind counts as NULL: which is which stands in the constant beside the text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'q> {
    Id(Option<Uuid>),
    Text(Option<&'q str>),
    Int(Option<i64>),
    Bytes(&'q [u8]),
}

impl<'q> Cell<'q> {
    fn id(self) -> Option<Uuid> {
        if let Self::Id(id) = self { id } else { None }
    }
    fn text(self) -> Option<&'q str> {
        if let Self::Text(text) = self { text } else { None }
    }
    fn int(self) -> Option<i64> {
        if let Self::Int(int) = self { int } else { None }
    }
    fn bytes(self) -> Option<&'q [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// A statement with `{rows}` in it, whose columns are `column1`, `column2` and so on.
pub(super) struct Rows<const N: usize> {
    columns: [Column; N],
    sqlite: [Arc<str>; SIZES.len()],
    postgres: Arc<str>,
}

impl<const N: usize> Rows<N> {
    pub(super) fn new(text: &str, columns: [Column; N]) -> Self {
        let row = format!("({})", vec!["?"; N].join(","));
        let sqlite = SIZES.map(|size| {
            let values = vec![row.as_str(); size].join(",");
            text.replace("{rows}", &format!("(VALUES {values})")).into()
        });
        let names: Vec<_> = (1..=N).map(|at| format!("column{at}")).collect();
        let arrays: Vec<_> =
            columns.iter().enumerate().map(|(at, column)| format!("${}::{}", at + 1, array(*column))).collect();
        let unnest = format!("(SELECT * FROM UNNEST({}) AS u({}))", arrays.join(","), names.join(","));
        Self { columns, sqlite, postgres: text.replace("{rows}", &unnest).into() }
    }

    /// Runs the statement over all rows; returns how many rows it affected.
    pub(super) async fn execute(&self, tx: &mut Tx, rows: &[[Cell<'_>; N]]) -> Result<u64, sqlx::Error> {
        let mut affected = 0;
        for chunk in rows.chunks(MOST) {
            affected += match tx {
                Tx::Sqlite(tx) => self.execute_sqlite(tx, chunk).await?,
                Tx::Postgres(tx) => self.execute_postgres(tx, chunk).await?,
            };
        }
        Ok(affected)
    }

    async fn execute_sqlite(
        &self,
        conn: &mut sqlx::SqliteConnection,
        rows: &[[Cell<'_>; N]],
    ) -> Result<u64, sqlx::Error> {
        let size = SIZES.partition_point(|size| *size < rows.len());
        let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&self.sqlite[size])));
        for cell in rows.iter().flatten() {
            query = match *cell {
                Cell::Id(id) => query.bind(id),
                Cell::Text(text) => query.bind(text),
                Cell::Int(int) => query.bind(int),
                Cell::Bytes(bytes) => query.bind(bytes),
            };
        }
        for _ in rows.len() * N..SIZES[size] * N {
            query = query.bind(None::<i64>);
        }
        Ok(query.execute(conn).await?.rows_affected())
    }

    async fn execute_postgres(
        &self,
        conn: &mut sqlx::PgConnection,
        rows: &[[Cell<'_>; N]],
    ) -> Result<u64, sqlx::Error> {
        let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&self.postgres)));
        for (at, column) in self.columns.iter().enumerate() {
            let cells = rows.iter().map(|row| row[at]);
            query = match column {
                Column::Id => query.bind(cells.map(Cell::id).collect::<Vec<_>>()),
                Column::Text => query.bind(cells.map(Cell::text).collect::<Vec<_>>()),
                Column::Int => query.bind(cells.map(Cell::int).collect::<Vec<_>>()),
                Column::Bytes => query.bind(cells.map(Cell::bytes).collect::<Vec<_>>()),
            };
        }
        Ok(query.execute(conn).await?.rows_affected())
    }
}

fn array(column: Column) -> &'static str {
    match column {
        Column::Id => "uuid[]",
        Column::Text => "text[]",
        Column::Int => "bigint[]",
        Column::Bytes => "bytea[]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_becomes_values_or_arrays() {
        let rows = Rows::new("INSERT INTO t SELECT * FROM {rows} AS v", [Column::Id, Column::Text]);
        assert_eq!(&*rows.sqlite[1], "INSERT INTO t SELECT * FROM (VALUES (?,?),(?,?)) AS v");
        assert_eq!(
            &*rows.postgres,
            "INSERT INTO t SELECT * FROM (SELECT * FROM UNNEST($1::uuid[],$2::text[]) AS u(column1,column2)) AS v"
        );
    }
}
