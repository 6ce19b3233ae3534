//! Accounts: whose, of which kind, in which currency.

use std::fmt;
use std::str::FromStr;

use quittance_kernel::{Currency, MemberId, Method};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// What an account is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum AccountKind { $($(#[$doc])* $name),+ }

        impl AccountKind {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

kinds! {
    /// Owed to a payee; a credit balance.
    Payable = "payable",
    /// Withheld until a release date.
    Held = "held",
    /// With a provider that has not answered yet.
    InTransit = "in_transit",
    /// Owed back by a payee (rule 14).
    Receivable = "receivable",
    /// What the organization has to provide, or has provided.
    PayerDue = "payer_due",
    /// Paid in by the organization in advance.
    PreFund = "pre_fund",
    /// Charged and not yet handed on (rule 10).
    Escrow = "escrow",
    /// Gone out by a method.
    Rail = "rail",
    PlatformFee = "platform_fee",
    ProcessorFee = "processor_fee",
    /// Residual minor units of fees and shares (rule 9).
    Rounding = "rounding",
}

impl FromStr for AccountKind {
    type Err = NoAccount;

    fn from_str(text: &str) -> Result<Self, NoAccount> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(NoAccount)
    }
}

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    Organization,
    Member(MemberId),
    /// A method; none where the payment does not name one.
    Rail(Option<Method>),
}

const ORGANIZATION: &str = "organization";
const UNNAMED: &str = "unnamed";

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization => f.write_str(ORGANIZATION),
            Self::Member(member) => member.fmt(f),
            Self::Rail(method) => f.write_str(method.map_or(UNNAMED, Method::as_str)),
        }
    }
}

impl FromStr for Owner {
    type Err = NoAccount;

    fn from_str(text: &str) -> Result<Self, NoAccount> {
        if text == ORGANIZATION {
            return Ok(Self::Organization);
        }
        if text == UNNAMED {
            return Ok(Self::Rail(None));
        }
        let member = || text.parse().map(Self::Member).map_err(|_| NoAccount);
        text.parse().map_or_else(|_| member(), |method| Ok(Self::Rail(Some(method))))
    }
}

/// An account of one organization. Reads and writes itself as `kind:owner:currency`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Account {
    pub(crate) kind: AccountKind,
    pub(crate) owner: Owner,
    pub(crate) currency: Currency,
}

impl Account {
    pub(crate) fn organization(kind: AccountKind, currency: Currency) -> Self {
        Self { kind, owner: Owner::Organization, currency }
    }

    pub(crate) fn member(kind: AccountKind, member: MemberId, currency: Currency) -> Self {
        Self { kind, owner: Owner::Member(member), currency }
    }

    pub(crate) fn rail(method: Option<Method>, currency: Currency) -> Self {
        Self { kind: AccountKind::Rail, owner: Owner::Rail(method), currency }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind.as_str(), self.owner, self.currency)
    }
}

/// The text names no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an account such as payable:<member>:KZT")]
pub(crate) struct NoAccount;

impl FromStr for Account {
    type Err = NoAccount;

    fn from_str(text: &str) -> Result<Self, NoAccount> {
        let mut parts = text.split(':');
        let (Some(kind), Some(owner), Some(currency), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoAccount);
        };
        let currency = currency.parse().map_err(|_| NoAccount)?;
        Ok(Self { kind: kind.parse()?, owner: owner.parse()?, currency })
    }
}
