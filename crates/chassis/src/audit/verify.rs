//! Proves the chain: every seal is computed again from the row that it seals.

use quittance_kernel::Timestamp;
use sea_orm::{ConnectionTrait as _, DbErr, FromQueryResult as _, QueryResult, Statement};
use uuid::Uuid;

use super::record::{COLUMNS, GENESIS, Hash, Record, parse};
use crate::db::Db;

/// How many seals are held at once, whatever the length of the chain.
const CHUNK: usize = 1000;

/// What verifying has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Seals that hold, counted from the first.
    pub sealed: i64,
    /// Rows that wait for a seal.
    pub unsealed: i64,
    pub oldest_unsealed: Option<Timestamp>,
    /// The hash of the last seal that holds: whoever keeps it elsewhere notices a chain that was
    /// made anew.
    pub head: String,
    pub broken: Option<Broken>,
}

impl Verdict {
    #[must_use]
    pub fn ok(&self) -> bool {
        self.broken.is_none()
    }
}

/// The first seal that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    pub ordinal: i64,
    pub audit_id: Uuid,
    pub flaw: Flaw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The row is not what was sealed.
    Changed,
    /// The row is gone.
    Missing,
    /// The seal does not follow from the one before it.
    ForgedLink,
}

impl Flaw {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::ForgedLink => "forged link",
        }
    }
}

/// Recomputes the chain from its beginning. `progress` hears how many seals hold so far, and of how
/// many.
pub async fn verify(db: &Db, mut progress: impl FnMut(i64, i64) + Send) -> Result<Verdict, DbErr> {
    let total = total(db).await?;
    let (mut ordinal, mut hash, mut broken) = (0, GENESIS, None);
    while broken.is_none() {
        let links = links(db, ordinal).await?;
        let full = links.len() == CHUNK;
        for link in &links {
            match link.follows(ordinal + 1, &hash) {
                Ok(next) => (ordinal, hash) = (ordinal + 1, next),
                Err(flaw) => {
                    let (ordinal, audit_id) = (link.ordinal, link.audit_id);
                    broken = Some(Broken { ordinal, audit_id, flaw });
                    break;
                }
            }
        }
        progress(ordinal, total.max(ordinal));
        if !full {
            break;
        }
    }
    let (unsealed, oldest_unsealed) = unsealed(db).await?;
    Ok(Verdict { sealed: ordinal, unsealed, oldest_unsealed, head: hex::encode(hash), broken })
}

/// A seal and its row.
struct Link {
    ordinal: i64,
    audit_id: Uuid,
    prev: Option<Hash>,
    hash: Option<Hash>,
    row: Option<Record>,
    /// Whether there is a row, be it readable or not.
    there: bool,
}

impl Link {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let (prev, hash): (String, String) = (row.try_get("", "prev")?, row.try_get("", "hash")?);
        Ok(Self {
            ordinal: row.try_get("", "ordinal")?,
            audit_id: row.try_get("", "audit_id")?,
            prev: parse(&prev),
            hash: parse(&hash),
            // What no service of ours could have written was changed by somebody else.
            row: Record::from_query_result(row, "").ok(),
            there: row.try_get::<Option<i64>>("", "seq")?.is_some(),
        })
    }

    /// The hash of this seal if it is the one that comes next, and its row is what was sealed.
    fn follows(&self, ordinal: i64, prev: &Hash) -> Result<Hash, Flaw> {
        if self.ordinal != ordinal || self.prev.as_ref() != Some(prev) {
            return Err(Flaw::ForgedLink);
        }
        if !self.there {
            return Err(Flaw::Missing);
        }
        let row = self.row.as_ref().filter(|row| row.id == self.audit_id).ok_or(Flaw::Changed)?;
        let hash = row.hash(prev);
        if self.hash == Some(hash) { Ok(hash) } else { Err(Flaw::Changed) }
    }
}

async fn links(db: &Db, after: i64) -> Result<Vec<Link>, DbErr> {
    let sql = format!(
        "SELECT s.ordinal, s.audit_id, s.prev, s.hash, {COLUMNS} FROM audit_seals s \
         LEFT JOIN audit_log a ON a.seq = s.audit_seq WHERE s.ordinal > $1 \
         ORDER BY s.ordinal LIMIT {CHUNK}"
    );
    let statement = Statement::from_sql_and_values(db.backend(), sql, [after.into()]);
    db.conn().query_all_raw(statement).await?.iter().map(Link::read).collect()
}

async fn total(db: &Db) -> Result<i64, DbErr> {
    let sql = "SELECT coalesce(max(ordinal), 0) AS n FROM audit_seals";
    match db.conn().query_one_raw(Statement::from_string(db.backend(), sql)).await? {
        Some(row) => row.try_get("", "n"),
        None => Ok(0),
    }
}

async fn unsealed(db: &Db) -> Result<(i64, Option<Timestamp>), DbErr> {
    let sql = "SELECT count(*) AS n, min(a.occurred_at) AS oldest FROM audit_log a \
               WHERE NOT EXISTS (SELECT 1 FROM audit_seals s WHERE s.audit_seq = a.seq)";
    match db.conn().query_one_raw(Statement::from_string(db.backend(), sql)).await? {
        Some(row) => Ok((row.try_get("", "n")?, row.try_get("", "oldest")?)),
        None => Ok((0, None)),
    }
}
