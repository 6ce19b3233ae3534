//! What payees owe: booked when a payment is voided, kept back from later payments on request.

use quittance_kernel::{Currency, MemberId, Method, Timestamp};
use uuid::Uuid;

use super::earning::Earning;

/// What is still owed of one voided payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receivable {
    pub(crate) id: Uuid,
    /// As it is, void.
    pub(crate) earning: Earning,
    /// Whether balances hear of the earning itself, and not of its payout alone.
    pub(crate) told_alone: bool,
    /// Never below zero.
    pub(crate) open_minor: i64,
    pub(crate) version: i64,
    pub(crate) payment: VoidedPayment,
}

/// The payment that was voided, to be told again with the earning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VoidedPayment {
    pub(crate) method: Method,
    pub(crate) reference: String,
    pub(crate) paid_at: Option<Timestamp>,
    pub(crate) voided_at: Timestamp,
    pub(crate) reason: String,
}

/// A part of a receivable that a payout keeps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Netting {
    /// The place of the receivable among those that were known.
    pub(crate) receivable: usize,
    /// The place of the payout in its settlement.
    pub(crate) payout: usize,
    pub(crate) minor: i64,
}

/// Keeps back what is owed from what is paid: `payouts` are payee, currency and sum of each, in
/// their order; the oldest debts go first. Never more than the sum, never more than is owed.
#[must_use]
pub(crate) fn net(
    payouts: &[(MemberId, Currency, i64)],
    receivables: &[Receivable],
) -> Vec<Netting> {
    let mut open: Vec<i64> = receivables.iter().map(|owed| owed.open_minor).collect();
    let mut nettings = Vec::new();
    for (payout, (payee, currency, sum)) in payouts.iter().enumerate() {
        let mut left = *sum;
        for (receivable, owed) in receivables.iter().enumerate() {
            let minor = open[receivable].min(left);
            let debt = (owed.earning.payee, owed.earning.amount.currency());
            if debt != (*payee, *currency) || minor <= 0 {
                continue;
            }
            open[receivable] -= minor;
            left -= minor;
            nettings.push(Netting { receivable, payout, minor });
        }
    }
    nettings
}

#[cfg(test)]
mod tests {
    use quittance_kernel::{CycleId, EarningId, IssueId, Money};

    use super::*;
    use crate::domain::earning::EarningStatus;

    fn owed(payee: MemberId, currency: &str, open_minor: i64) -> Receivable {
        let at: Timestamp = "2026-05-08T12:00:00Z".parse().unwrap();
        let earning = Earning {
            id: EarningId::new(),
            issue: IssueId::new(),
            cycle: CycleId::new(),
            payee,
            amount: Money::signed(open_minor, currency.parse().unwrap()),
            status: EarningStatus::Void,
            version: 3,
            source_version: 1,
            payout: None,
        };
        let payment = VoidedPayment {
            method: Method::Cash,
            reference: "C-1".to_owned(),
            paid_at: Some(at),
            voided_at: at,
            reason: "Sent twice".to_owned(),
        };
        Receivable {
            id: Uuid::now_v7(),
            earning,
            told_alone: true,
            open_minor,
            version: 1,
            payment,
        }
    }

    #[test]
    fn the_oldest_debts_of_the_payee_and_currency_go_first_and_nothing_below_zero() {
        let (aibek, madina) = (MemberId::new(), MemberId::new());
        let debts = [
            owed(aibek, "KZT", 300),
            owed(madina, "KZT", 10_000),
            owed(aibek, "USD", 50),
            owed(aibek, "KZT", 900),
        ];
        let tenge = "KZT".parse().unwrap();
        let nettings = net(&[(aibek, tenge, 500), (aibek, tenge, 200), (madina, tenge, 7)], &debts);
        let parts: Vec<_> = nettings.iter().map(|n| (n.receivable, n.payout, n.minor)).collect();
        assert_eq!(parts, [(0, 0, 300), (3, 0, 200), (3, 1, 200), (1, 2, 7)]);
    }

    #[test]
    fn whoever_owes_nothing_is_paid_in_full() {
        let tenge = "KZT".parse().unwrap();
        assert!(net(&[(MemberId::new(), tenge, 500)], &[]).is_empty());
        let settled = owed(MemberId::new(), "KZT", 0);
        assert!(net(&[(settled.earning.payee, tenge, 500)], &[settled]).is_empty());
    }
}
