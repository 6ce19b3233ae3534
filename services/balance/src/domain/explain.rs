//! Why a figure of a balance is what it is: what each issue adds to it, and by which rule.

use std::fmt;
use std::str::FromStr;

use quittance_kernel::{Currency, CycleId, MemberId, Money, Severity};

use super::balance::{Balance, SeverityRates};
use super::line::Line;
use super::sums::Sums;

/// A figure that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Earned,
    Pending,
    /// An estimate at current rates (product.md, rule 13).
    Awaiting,
    Receivable,
    /// What was earned in one cycle.
    Cycle(CycleId),
}

/// The text names no figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoFigure;

impl FromStr for Figure {
    type Err = NoFigure;

    fn from_str(text: &str) -> Result<Self, NoFigure> {
        match text {
            "earned" => Ok(Self::Earned),
            "pending" => Ok(Self::Pending),
            "awaiting" => Ok(Self::Awaiting),
            "receivable" => Ok(Self::Receivable),
            other => {
                let id = other.strip_prefix("cycle:").and_then(|id| id.parse().ok());
                id.map(Self::Cycle).ok_or(NoFigure)
            }
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earned => f.write_str("earned"),
            Self::Pending => f.write_str("pending"),
            Self::Awaiting => f.write_str("awaiting"),
            Self::Receivable => f.write_str("receivable"),
            Self::Cycle(cycle) => write!(f, "cycle:{cycle}"),
        }
    }
}

/// What one issue adds to a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) cycle: CycleId,
    pub(crate) severity: Option<Severity>,
    pub(crate) amount: Money,
    /// The rule that priced it.
    pub(crate) rule: String,
}

impl Figure {
    /// What a line adds to this figure of a member, if it adds anything. `rates` are the current
    /// ones of a cycle.
    pub(crate) fn share(
        self,
        line: &Line,
        member: MemberId,
        rates: impl Fn(CycleId) -> Option<SeverityRates>,
    ) -> Option<Share> {
        let severity = line.filing.as_ref().map(|filing| filing.severity);
        let contribution = line.contribution();
        if self == Self::Awaiting {
            let (_, cycle, _) = contribution
                .counts
                .filter(|(of, _, counts)| *of == member && 0 < counts.awaiting())?;
            let (severity, rates) = (severity?, rates(cycle)?);
            let amount = Money::signed(rates.of(severity), rates.currency);
            let rule = format!("estimate at the current rate, {severity}");
            return Some(Share { cycle, severity: Some(severity), amount, rule });
        }
        let (of, cycle, currency, sums) = contribution.money?;
        let minor = self.part(cycle, &sums);
        let rule = line.filing.as_ref().and_then(|filing| filing.rule.clone()).unwrap_or_default();
        let amount = Money::signed(minor, currency);
        (of == member && minor != 0).then_some(Share { cycle, severity, amount, rule })
    }

    fn part(self, here: CycleId, sums: &Sums) -> i64 {
        match self {
            Self::Earned => sums.earned,
            Self::Pending => sums.pending,
            Self::Receivable => sums.receivable,
            Self::Cycle(cycle) if cycle == here => sums.earned,
            Self::Cycle(_) | Self::Awaiting => 0,
        }
    }

    /// The figure itself, as a balance shows it.
    pub(crate) fn of(self, balance: &Balance) -> Vec<Money> {
        if let Self::Cycle(cycle) = self {
            let found = balance.cycles.iter().find(|of| of.cycle == cycle);
            return found.map(|found| found.earned.clone()).unwrap_or_default();
        }
        let of = |(currency, total): (&Currency, &super::BalanceTotal)| {
            let minor = match self {
                Self::Earned => total.sums.earned,
                Self::Pending => total.sums.pending,
                Self::Receivable => total.sums.receivable,
                Self::Awaiting => total.awaiting,
                Self::Cycle(_) => 0,
            };
            (minor != 0).then(|| Money::signed(minor, *currency))
        };
        balance.totals.iter().filter_map(of).collect()
    }
}
