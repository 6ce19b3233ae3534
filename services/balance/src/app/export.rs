//! A member's own payments as a CSV file, streamed.

use std::collections::HashMap;

use bytes::Bytes;
use quittance_kernel::{Ctx, MemberId, OrganizationId};
use tokio::sync::mpsc;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{Balances, Error, Period};
use crate::domain::{CsvRow, CsvSheet};
use crate::store::{self, Movement, Position};

/// Rows of the first page, so that the first byte comes soon, and of all others.
const FIRST_PAGE: usize = 200;
const PAGE: usize = 5_000;

/// The longest chunk of the file.
const CHUNK: usize = 64 * 1024;

/// Chunks that wait for a slow reader.
const WAITING: usize = 2;

/// The chunks of a file. Dropping it ends the export.
pub type Export = mpsc::Receiver<Result<Bytes, Error>>;

impl Balances {
    /// Writes the caller's payments of a period, the oldest first. What was voided stays, followed
    /// by a line that takes it back at the time of the void. Memory is that of a page, however
    /// long the file, and no snapshot of the database is held.
    #[must_use]
    pub fn export(&self, ctx: &Ctx, period: Period, trailer: bool) -> Export {
        let (chunks, export) = mpsc::channel(WAITING);
        let (organization, payee) = (ctx.organization(), ctx.member());
        let writer = Writer { balances: self.clone(), organization, payee, period, chunks };
        let work = async move {
            if let Err(error) = writer.run(trailer).await {
                // A reader that has gone does not need to be told.
                let _ = writer.chunks.send(Err(error)).await;
            }
        };
        tokio::spawn(work.instrument(tracing::info_span!("balance.export")));
        export
    }
}

struct Writer {
    balances: Balances,
    organization: OrganizationId,
    payee: MemberId,
    period: Period,
    chunks: mpsc::Sender<Result<Bytes, Error>>,
}

impl Writer {
    async fn run(&self, trailer: bool) -> Result<(), Error> {
        let (db, organization, payee) = (&self.balances.db, self.organization, self.payee);
        let names = store::cycle_names(db, organization, payee).await?;
        let mut sheet = CsvSheet::new(trailer);
        let mut after = Position::before(self.period.from);
        let mut limit = FIRST_PAGE;
        loop {
            let page = store::movements(db, organization, payee, after, self.period, limit).await?;
            sheet.write(page.iter().map(|movement| row(movement, &names)))?;
            let Some(last) = page.last().filter(|_| page.len() == limit) else { break };
            after = last.position;
            limit = PAGE;
            if !self.send(sheet.take()).await {
                return Ok(());
            }
        }
        self.send(sheet.finish()).await;
        Ok(())
    }

    /// Hands over what was written; false when nobody reads any more.
    async fn send(&self, written: Vec<u8>) -> bool {
        let mut written = Bytes::from(written);
        while !written.is_empty() {
            let chunk = written.split_to(written.len().min(CHUNK));
            if self.chunks.send(Ok(chunk)).await.is_err() {
                return false;
            }
        }
        true
    }
}

fn row<'a>(movement: &'a Movement, names: &'a HashMap<Uuid, String>) -> CsvRow<'a> {
    CsvRow {
        at: movement.position.at,
        cycle: names.get(&movement.cycle).map_or("", String::as_str),
        issue: &movement.title,
        severity: movement.severity,
        amount: movement.amount,
        method: movement.method,
        reference: &movement.reference,
    }
}

#[cfg(test)]
mod tests;
