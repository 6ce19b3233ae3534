//! A time-boxed sweep of a product.

use quittance_kernel::{CycleId, MemberId, ProductId, Timestamp};

use super::gate::{self, Gate};
use super::rates::Overrides;

/// A cycle may override the gate and the rates, and says who leads and who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    pub id: CycleId,
    pub product: ProductId,
    pub name: String,
    /// Whether issues may be filed.
    pub open: bool,
    pub requires_verification: Option<bool>,
    pub rates: Option<Overrides>,
    pub crew: Crew,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Who leads a cycle and who else is assigned to it. Nobody is in both lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crew {
    leads: Vec<MemberId>,
    members: Vec<MemberId>,
}

impl Crew {
    /// Whoever leads is not listed once more as a member.
    #[must_use]
    pub fn new(mut leads: Vec<MemberId>, mut members: Vec<MemberId>) -> Self {
        leads.sort_unstable();
        leads.dedup();
        members.retain(|member| leads.binary_search(member).is_err());
        members.sort_unstable();
        members.dedup();
        Self { leads, members }
    }

    #[must_use]
    pub fn leads(&self) -> &[MemberId] {
        &self.leads
    }

    /// The crew with a member as a lead or not, or, with none, without them.
    #[must_use]
    pub fn with(&self, member: MemberId, lead: Option<bool>) -> Self {
        let others = |people: &[MemberId]| -> Vec<MemberId> {
            people.iter().copied().filter(|other| *other != member).collect()
        };
        let (mut leads, mut members) = (others(&self.leads), others(&self.members));
        match lead {
            Some(true) => leads.push(member),
            Some(false) => members.push(member),
            None => {}
        }
        Self::new(leads, members)
    }

    #[must_use]
    pub fn members(&self) -> &[MemberId] {
        &self.members
    }
}

impl Cycle {
    /// The gate that holds, given the default of the product.
    #[must_use]
    pub fn gate(&self, product: Option<bool>) -> Gate {
        gate::effective(self.requires_verification, product)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_is_listed_once() {
        let (a, b) = (MemberId::new(), MemberId::new());
        let crew = Crew::new(vec![a, a], vec![b, a, b]);
        assert_eq!((crew.leads(), crew.members()), (&[a][..], &[b][..]));
    }

    #[test]
    fn a_member_is_in_one_capacity_at_a_time() {
        let (a, b) = (MemberId::new(), MemberId::new());
        let crew = Crew::new(vec![a], vec![b]);
        assert_eq!(crew.with(b, Some(true)), Crew::new(vec![a, b], vec![]));
        assert_eq!(crew.with(a, Some(false)), Crew::new(vec![], vec![a, b]));
        assert_eq!(crew.with(a, None), Crew::new(vec![], vec![b]));
        assert_eq!(crew.with(b, Some(false)), crew);
    }
}
