//! The list of payouts as a CSV file for accounting (product.md, rule 20).

use chrono::SecondsFormat;
use csv::{Terminator, WriterBuilder};
use futures_util::stream::{Stream, try_unfold};
use quittance_kernel::{Ctx, PayoutId, Timestamp, csv_cell};

use super::{Error, Payouts};
use crate::domain::partner::PartnerPayout;
use crate::store::partner_read::{self, Filter};

const PAGE: u32 = 500;

const HEADER: [&str; 15] = [
    "created",
    "payout",
    "partner",
    "partnerId",
    "period",
    "amount",
    "currency",
    "status",
    "method",
    "reference",
    "paid",
    "approved",
    "approvedBy",
    "source",
    "notes",
];

impl Payouts {
    /// Writes payouts, the newest first, page by page as the reader takes them.
    pub(crate) fn export_payouts(
        &self,
        ctx: &Ctx,
        filter: Filter,
    ) -> impl Stream<Item = Result<Vec<u8>, Error>> + Send + use<> {
        let (db, organization) = (self.db.clone(), ctx.organization());
        let begin = Some((None::<PayoutId>, filter));
        try_unfold(begin, move |position| {
            let db = db.clone();
            async move {
                let Some((before, filter)) = position else { return Ok(None) };
                let page = partner_read::list(&db, organization, &filter, before, PAGE).await?;
                let written = sheet(before.is_none(), &page);
                let full = u32::try_from(page.len()).is_ok_and(|count| count == PAGE);
                let last = page.last().filter(|_| full).map(|last| last.payout.id);
                Ok(Some((written, last.map(|last| (Some(last), filter)))))
            }
        })
    }
}

/// Writes one page. To memory, which cannot fail.
fn sheet(first: bool, page: &[PartnerPayout]) -> Vec<u8> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    if first {
        let _ = writer.write_record(HEADER);
    }
    for of in page {
        let payout = &of.payout;
        let approver = of.approved_by.map(|member| member.to_string()).unwrap_or_default();
        let _ = writer.write_record([
            time(Some(payout.created_at)).as_str(),
            &payout.id.to_string(),
            &csv_cell(&of.name),
            &payout.payee.to_string(),
            &of.period,
            &payout.amount.to_decimal(),
            payout.amount.currency().code(),
            payout.state.as_str(),
            payout.method.map_or("", quittance_kernel::Method::as_str),
            &csv_cell(&payout.reference),
            &time(payout.paid_at),
            &time(of.approved_at),
            &approver,
            of.source.as_str(),
            &csv_cell(&of.notes),
        ]);
    }
    writer.into_inner().unwrap_or_default()
}

fn time(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)).unwrap_or_default()
}
