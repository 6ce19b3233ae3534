//! Numbers of the log that were passed over: their transactions are under way, or were undone.
//!
//! Which of the two, a snapshot tells. A statement draws its number and gets its transaction id
//! shortly after, at the latest before it ends, and no statement outlives the statement timeout. So
//! a gap waits that long, notes the next transaction id to be given out, and is closed when every
//! transaction below that one has ended.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbErr, Statement, Value};
use tokio::time::Instant;

use super::{CHUNK, COLUMNS, Record, read};
use crate::db::Db;

/// More than the statement timeout of our sessions (two minutes).
const DRAWN: Duration = Duration::from_secs(150);

/// Ranges of numbers, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps(Vec<Gap>);

#[derive(Clone, Copy, Debug)]
struct Gap {
    from: i64,
    to: i64,
    since: Instant,
    /// Every transaction that can fill the gap has a lower id than this one.
    fence: Option<u64>,
}

impl Gaps {
    /// Finds the gaps between seals, above the number up to which all was decided.
    pub(super) async fn load(db: &Db, decided: i64) -> Result<Self, DbErr> {
        let sql = "SELECT last, audit_seq FROM (SELECT audit_seq, \
                   lag(audit_seq, 1, $1) OVER (ORDER BY audit_seq) AS last \
                   FROM audit_seals WHERE audit_seq > $1) s WHERE last + 1 < audit_seq \
                   ORDER BY audit_seq";
        let statement = Statement::from_sql_and_values(db.backend(), sql, [decided.into()]);
        let mut gaps = Self::default();
        for row in db.conn().query_all_raw(statement).await? {
            let (last, next): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            gaps.open(last + 1, next - 1);
        }
        Ok(gaps)
    }

    /// Notes numbers that are not there; none if `to` is below `from`.
    pub(super) fn open(&mut self, from: i64, to: i64) {
        if from <= to {
            self.0.push(Gap { from, to, since: Instant::now(), fence: None });
        }
    }

    /// Takes a number out that has appeared.
    pub(super) fn fill(&mut self, seq: i64) {
        let Some(at) = self.0.iter().position(|gap| gap.from <= seq && seq <= gap.to) else {
            return;
        };
        let gap = self.0.remove(at);
        let parts = [Gap { to: seq - 1, ..gap }, Gap { from: seq + 1, ..gap }];
        self.0.splice(at..at, parts.into_iter().filter(|gap| gap.from <= gap.to));
    }

    /// The number up to which every row is sealed or will never be there.
    pub(super) fn decided_to(&self, high: i64) -> i64 {
        self.0.first().map_or(high, |gap| gap.from - 1)
    }

    /// The rows that have appeared in gaps, at most a chunk of them.
    pub(super) async fn appeared(&self, db: &Db) -> Result<Vec<Record>, DbErr> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM unnest($1::bigint[], $2::bigint[]) g (low, high) \
             CROSS JOIN LATERAL (SELECT * FROM audit_log l WHERE l.seq BETWEEN g.low AND g.high \
             ORDER BY l.seq LIMIT {CHUNK}) a ORDER BY a.seq LIMIT {CHUNK}"
        );
        let bounds =
            |of: fn(&Gap) -> i64| -> Value { self.0.iter().map(of).collect::<Vec<i64>>().into() };
        read(db, &sql, vec![bounds(|gap| gap.from), bounds(|gap| gap.to)]).await
    }

    /// Closes the gaps in which nothing can appear any more. Must follow a look at what appeared:
    /// a gap is closed one round after its fence fell, so that the look saw its last rows.
    pub(super) async fn give_up(&mut self, db: &Db) -> Result<(), DbErr> {
        if !self.0.iter().any(|gap| DRAWN < gap.since.elapsed()) {
            return Ok(());
        }
        let (lowest, next) = horizon(db).await?;
        self.0.retain(|gap| gap.fence != Some(FALLEN));
        for gap in &mut self.0 {
            match gap.fence {
                None if DRAWN < gap.since.elapsed() => gap.fence = Some(next),
                Some(fence) if fence <= lowest => gap.fence = Some(FALLEN),
                None | Some(_) => {}
            }
        }
        Ok(())
    }
}

/// The fence of a gap that is looked at once more.
const FALLEN: u64 = 0;

/// The lowest transaction id that is under way, and the next to be given out.
async fn horizon(db: &Db) -> Result<(u64, u64), DbErr> {
    let sql = "SELECT pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text \
               FROM pg_current_snapshot() s";
    let row = db.conn().query_one_raw(Statement::from_string(db.backend(), sql)).await?;
    let Some(row) = row else { return Ok((0, u64::MAX)) };
    let number = |index| -> Result<u64, DbErr> {
        let text: String = row.try_get_by_index(index)?;
        text.parse().map_err(|_| DbErr::Type("a transaction id is a number".into()))
    };
    Ok((number(0)?, number(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(gaps: &Gaps) -> Vec<(i64, i64)> {
        gaps.0.iter().map(|gap| (gap.from, gap.to)).collect()
    }

    #[test]
    fn a_gap_shrinks_from_its_ends_and_splits_in_its_middle() {
        let mut gaps = Gaps::default();
        gaps.open(5, 4);
        assert_eq!(gaps.decided_to(9), 9);
        gaps.open(2, 6);
        gaps.open(8, 8);
        assert_eq!(gaps.decided_to(9), 1);
        gaps.fill(4);
        assert_eq!(ranges(&gaps), [(2, 3), (5, 6), (8, 8)]);
        gaps.fill(2);
        gaps.fill(6);
        gaps.fill(8);
        assert_eq!(ranges(&gaps), [(3, 3), (5, 5)]);
        gaps.fill(7);
        gaps.fill(3);
        gaps.fill(5);
        assert_eq!(gaps.decided_to(9), 9);
    }
}
