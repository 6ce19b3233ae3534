//! Keys by which programs of members call in their name: for some of their roles, for some time.

use chrono::TimeDelta;
use quittance_kernel::{MemberId, OrganizationId, Role, Roles, Timestamp};
use uuid::Uuid;

use super::member::Member;
use super::text::{FieldError, MAX_NAME, line};

/// What every secret begins with, so that people and scanners of sources recognise one.
pub const PREFIX: &str = "qk_";

/// How much of a secret is kept to recognise it by, prefix included.
pub const SHOWN: usize = 8;

/// How many keys of a member may be good at once.
pub const MOST: usize = 20;

/// How many days a key is good for when nothing is said, and at most.
const USUAL_DAYS: i32 = 90;
const MOST_DAYS: i32 = 366;

/// Why a key is not made or not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    #[error("a key cannot have a role that its member does not have")]
    Roles,
    #[error("a member has at most {MOST} keys that are good; revoke one")]
    Full,
    #[error("whoever views as somebody else makes no keys for them")]
    Viewing,
    #[error("the key is not known, or no longer good")]
    Dead,
}

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: Uuid,
    pub organization: OrganizationId,
    pub member: MemberId,
    pub name: String,
    /// The beginning of the secret.
    pub start: String,
    /// None: all that the member has.
    pub roles: Option<Roles>,
    pub read_only: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub version: i64,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct NewApiKey {
    pub name: String,
    pub roles: Vec<Role>,
    pub read_only: bool,
    /// 0: as usual.
    pub days: i32,
}

/// Why a key is not made: a field, or a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Field(FieldError),
    Rule(ApiKeyError),
}

impl ApiKey {
    /// Makes a key of a member, who has so many good ones already.
    pub fn make(
        member: &Member,
        new: &NewApiKey,
        start: &str,
        good: usize,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let name = line("name", &new.name, MAX_NAME).map_err(Refused::Field)?;
        let days = if new.days == 0 { USUAL_DAYS } else { new.days };
        if !(1..=MOST_DAYS).contains(&days) {
            let detail = format!("must be between 1 and {MOST_DAYS}");
            return Err(Refused::Field(FieldError::new("lifetime_days", detail)));
        }
        if new.roles.iter().any(|role| !member.roles.has(*role)) {
            return Err(Refused::Rule(ApiKeyError::Roles));
        }
        if MOST <= good {
            return Err(Refused::Rule(ApiKeyError::Full));
        }
        let roles = Some(&new.roles).filter(|roles| !roles.is_empty());
        Ok(Self {
            id: Uuid::now_v7(),
            organization: member.organization,
            member: member.id,
            name,
            start: start.to_owned(),
            roles: roles.map(|roles| Roles::new(roles.iter().copied())),
            read_only: new.read_only,
            created_at: now,
            expires_at: now + TimeDelta::days(days.into()),
            revoked_at: None,
            last_used_at: None,
            version: 1,
        })
    }

    /// Whether the key opens anything.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// The roles in which it opens something now: a member who loses a role loses it for their keys.
    pub fn roles(&self, member: &Member, now: Timestamp) -> Result<Roles, ApiKeyError> {
        let given = |role: &Role| self.roles.as_ref().is_none_or(|roles| roles.has(*role));
        let roles: Vec<Role> = member.roles.iter().filter(given).collect();
        if roles.is_empty() || !self.is_good(now) {
            return Err(ApiKeyError::Dead);
        }
        Ok(Roles::new(roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-05-08T12:00:00Z".parse().unwrap()
    }

    fn member(roles: &[Role]) -> Member {
        Member {
            id: MemberId::new(),
            organization: OrganizationId::default(),
            name: "Dana".to_owned(),
            email: "dana@example.com".to_owned(),
            roles: Roles::new(roles.iter().copied()),
            version: 1,
            created_at: noon(),
            updated_at: noon(),
        }
    }

    fn new(roles: &[Role], days: i32) -> NewApiKey {
        NewApiKey { name: "CI".to_owned(), roles: roles.to_vec(), read_only: false, days }
    }

    #[test]
    fn a_key_has_no_role_that_its_member_has_not() {
        let admin = member(&[Role::Admin, Role::Lead]);
        let make = |roles: &[Role]| ApiKey::make(&admin, &new(roles, 0), "qk_abcde", 0, noon());
        assert_eq!(make(&[Role::Finance]), Err(Refused::Rule(ApiKeyError::Roles)));
        let key = make(&[Role::Lead]).unwrap();
        let roles = |member: &Member| key.roles(member, noon()).map(|roles| roles.highest());
        assert_eq!(roles(&admin), Ok(Some(Role::Lead)));
        // Taken from the member, taken from the key.
        assert_eq!(roles(&member(&[Role::Admin])), Err(ApiKeyError::Dead));
        assert_eq!(make(&[]).unwrap().roles(&admin, noon()), Ok(admin.roles.clone()));
    }

    #[test]
    fn a_key_ends_by_itself_or_when_it_is_revoked() {
        let dana = member(&[Role::Member]);
        let key = ApiKey::make(&dana, &new(&[], 1), "qk_abcde", 0, noon()).unwrap();
        assert!(key.is_good(noon() + TimeDelta::hours(23)));
        assert!(!key.is_good(noon() + TimeDelta::hours(24)));
        let revoked = ApiKey { revoked_at: Some(noon()), ..key };
        assert_eq!(revoked.roles(&dana, noon()), Err(ApiKeyError::Dead));
    }

    #[test]
    fn there_are_only_so_many_for_only_so_long() {
        let dana = member(&[Role::Member]);
        let make = |days, good| ApiKey::make(&dana, &new(&[], days), "qk_abcde", good, noon());
        assert_eq!(make(1, MOST), Err(Refused::Rule(ApiKeyError::Full)));
        for days in [-1, 367] {
            assert!(matches!(make(days, 0), Err(Refused::Field(_))), "{days}");
        }
        let usual = make(0, 0).unwrap();
        assert_eq!(usual.expires_at - usual.created_at, TimeDelta::days(90));
    }
}
