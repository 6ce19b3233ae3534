//! What stands in the book besides issues: payouts under way, those of partners, and commissions.

use quittance_kernel::{MemberId, Method, Money};

use super::super::sums::OutOfRange;
use super::{Account, AccountKind, Position, owed};

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// What a payout or a commission has done to the book.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Stage { $($(#[$doc])* $name),+ }

        impl Stage {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

stages! {
    /// Nothing, or nothing any more. A paid payout of issues is told issue by issue.
    None = "none",
    /// It is owed: a commission, or an approved payout that was made by hand.
    Owed = "owed",
    /// A provider has been told to move what is owed.
    InTransit = "in_transit",
    /// It was owed by nothing else, and is paid.
    Paid = "paid",
    /// What commissions made owed is paid.
    Settled = "settled",
    /// Paid, and owed back since it is void.
    TakenBack = "taken_back",
    /// The same of a payout of commissions, which are not owed again.
    SettledTakenBack = "settled_taken_back",
    /// A payer was charged for what is owed to somebody.
    Charged = "charged",
    /// A payer was charged in advance.
    PreFunded = "pre_funded",
    /// What was paid in advance is used for what is owed to somebody.
    Drawn = "drawn",
    /// The platform's part of a charge, and of what was paid in advance.
    PlatformFee = "platform_fee",
    DrawnFee = "drawn_fee",
    /// The processor's part of a charge.
    ProcessorFee = "processor_fee",
    /// What a charge leaves over.
    Rounding = "rounding",
}

/// A payout or a commission, as last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) version: i64,
    pub(crate) stage: Stage,
    pub(crate) payee: MemberId,
    pub(crate) amount: Money,
    pub(crate) method: Option<Method>,
}

impl Source {
    /// Takes the newer of two.
    pub(crate) fn or_newer(known: Option<Self>, heard: Self) -> Self {
        match known {
            Some(known) if heard.version <= known.version => known,
            Some(_) | None => heard,
        }
    }

    pub(crate) fn position(&self) -> Result<Position, OutOfRange> {
        let (currency, minor) = (self.amount.currency(), self.amount.minor());
        let member = |kind| Account::member(kind, self.payee, currency);
        let due = Account::organization(AccountKind::PayerDue, currency);
        let rail = Account::rail(self.method, currency);
        let payable = member(AccountKind::Payable);
        let receivable = member(AccountKind::Receivable);
        let own = |kind| Account::organization(kind, currency);
        let pre_fund = own(AccountKind::PreFund);
        match self.stage {
            Stage::None => Ok(Position::default()),
            Stage::Owed => owed(self.payee, self.amount),
            Stage::InTransit => Position::moved(payable, member(AccountKind::InTransit), minor),
            Stage::Paid => Position::moved(due, rail, minor),
            Stage::Settled => Position::moved(payable, rail, minor),
            Stage::TakenBack => Position::moved(receivable, rail, minor),
            Stage::Charged => Position::moved(rail, due, minor),
            Stage::PreFunded => Position::moved(rail, pre_fund, minor),
            Stage::Drawn => Position::moved(pre_fund, due, minor),
            Stage::PlatformFee => Position::moved(rail, own(AccountKind::PlatformFee), minor),
            Stage::DrawnFee => Position::moved(pre_fund, own(AccountKind::PlatformFee), minor),
            Stage::ProcessorFee => Position::moved(rail, own(AccountKind::ProcessorFee), minor),
            Stage::Rounding => Position::moved(rail, own(AccountKind::Rounding), minor),
            Stage::SettledTakenBack => {
                Position::moved(receivable, rail, minor)?.and(Position::moved(payable, due, minor)?)
            }
        }
    }
}
