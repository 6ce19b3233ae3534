//! Outgoing webhooks: where an organization wants to be told of its events, and when it is tried again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chrono::TimeDelta;
use quittance_kernel::Timestamp;
use uuid::Uuid;

use super::text::{FieldError, MAX_NAME, paragraphs};

/// How many addresses an organization may have.
pub const MOST: usize = 20;

const MAX_URL: usize = 2_000;
const MAX_KINDS: usize = 50;

/// The pauses after each failure but the last: a little over three days in all.
const PAUSES: [TimeDelta; 9] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(14),
    TimeDelta::hours(20),
    TimeDelta::hours(24),
];

/// How long an address may take nothing before it is disabled.
const PATIENCE: TimeDelta = TimeDelta::days(3);

/// Why an address is not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    #[error("an organization has at most {MOST} endpoints")]
    Full,
    #[error("there is no such endpoint")]
    NoEndpoint,
    #[error("there is no such delivery")]
    NoDelivery,
    #[error("the endpoint is disabled; enable it first")]
    Disabled,
}

/// An address that is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: Uuid,
    pub url: String,
    pub description: String,
    /// Types of events, or `word.*`; all when empty.
    pub kinds: Vec<String>,
    pub enabled: bool,
    /// Why we disabled it; empty otherwise.
    pub disabled_reason: String,
    pub failing_since: Option<Timestamp>,
    /// How often it has failed since then; what failed together counts once.
    pub failures: i64,
    /// Until when nothing is sent to it.
    pub rests_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// What is to change of an endpoint; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct EndpointPatch {
    /// When not 0: the version that the caller has seen.
    pub version: i64,
    pub url: Option<String>,
    pub description: Option<String>,
    pub kinds: Option<Vec<String>>,
    pub enabled: Option<bool>,
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered(u16),
    /// Perhaps another time.
    Failed {
        status: u16,
        error: String,
    },
    /// The receiver says that it is gone for good (410).
    Gone,
}

impl Endpoint {
    /// Adds an address. `insecure` allows plain HTTP, for development.
    pub fn add(
        url: &str,
        description: &str,
        kinds: &[String],
        insecure: bool,
        now: Timestamp,
    ) -> Result<Self, FieldError> {
        Ok(Self {
            id: Uuid::now_v7(),
            url: address(url, insecure)?,
            description: paragraphs("description", description.trim(), MAX_NAME)?,
            kinds: known(kinds)?,
            enabled: true,
            disabled_reason: String::new(),
            failing_since: None,
            failures: 0,
            rests_until: None,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }

    /// Changes an address. Whoever enables it forgives its failures.
    pub fn change(
        self,
        patch: &EndpointPatch,
        insecure: bool,
        now: Timestamp,
    ) -> Result<Self, FieldError> {
        let mut after = Self { updated_at: now, version: self.version + 1, ..self };
        if let Some(url) = &patch.url {
            after.url = address(url, insecure)?;
        }
        if let Some(description) = &patch.description {
            after.description = paragraphs("description", description.trim(), MAX_NAME)?;
        }
        if let Some(kinds) = &patch.kinds {
            after.kinds = known(kinds)?;
        }
        if let Some(enabled) = patch.enabled {
            after.enabled = enabled;
            after.disabled_reason.clear();
            (after.failing_since, after.failures, after.rests_until) = (None, 0, None);
        }
        Ok(after)
    }

    /// Whether it wants to be told of events of this type.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| fits(wanted, kind))
    }

    /// How long it is left alone after one more failure.
    #[must_use]
    pub fn rest(&self) -> TimeDelta {
        let done = usize::try_from(self.failures).unwrap_or(usize::MAX);
        PAUSES[done.min(PAUSES.len() - 1)]
    }

    /// Takes note of a failure: it is left alone for so long, all of what waits for it. A failure while it
    /// rests is of something that was sent before.
    #[must_use]
    pub fn failed(self, now: Timestamp, rest: TimeDelta) -> Self {
        let failing_since = self.failing_since.or(Some(now));
        if self.rests_until.is_some_and(|until| now < until) {
            return Self { failing_since, ..self };
        }
        let failures = self.failures.saturating_add(1);
        Self { failing_since, failures, rests_until: Some(now + rest), ..self }
    }

    /// Why it has to be disabled after a failure, if it has.
    #[must_use]
    pub fn gives_up(&self, outcome: &Outcome, now: Timestamp) -> Option<&'static str> {
        match outcome {
            Outcome::Gone => Some("the receiver said that it is gone (410)"),
            Outcome::Failed { .. } if self.failing_since.is_some_and(|at| at + PATIENCE <= now) => {
                Some("nothing was delivered for three days")
            }
            Outcome::Failed { .. } | Outcome::Delivered(_) => None,
        }
    }
}

fn fits(wanted: &str, kind: &str) -> bool {
    match wanted.strip_suffix(".*") {
        Some(start) => kind.strip_prefix(start).is_some_and(|rest| rest.starts_with('.')),
        None => wanted == kind,
    }
}

/// Reads the address. Where it leads is looked at whenever something is sent there.
fn address(text: &str, insecure: bool) -> Result<String, FieldError> {
    let refused = |detail: &str| Err(FieldError::new("url", detail));
    let text = text.trim();
    let secure = text.strip_prefix("https://");
    let rest = secure.or_else(|| text.strip_prefix("http://").filter(|_| insecure));
    let Some(rest) = rest else { return refused("must begin with https://") };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    if host.is_empty() || host.contains('@') || MAX_URL < text.len() {
        return refused("must name a host, no user, and have at most 2,000 characters");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('#') {
        return refused("must be printable ASCII without a fragment");
    }
    Ok(text.to_owned())
}

/// Whether anybody can be told of events of a type: some are of no organization.
fn is_told(kind: &str) -> bool {
    quittance_events::queue::WEBHOOKS.kinds.iter().any(|told| fits(told, kind))
}

/// Reads types of events.
fn known(kinds: &[String]) -> Result<Vec<String>, FieldError> {
    if MAX_KINDS < kinds.len() {
        return Err(FieldError::new("kinds", format!("must have at most {MAX_KINDS} entries")));
    }
    for (place, kind) in kinds.iter().enumerate() {
        if !quittance_events::kind::ALL.iter().any(|known| fits(kind, known) && is_told(known)) {
            let detail = "must be a type of events, or the beginning of some and `.*`";
            return Err(FieldError::new(format!("kinds[{place}]"), detail));
        }
    }
    Ok(kinds.to_vec())
}

/// How long to wait after so many tries; `None` when it was the last one.
#[must_use]
pub fn pause(tries: i64) -> Option<TimeDelta> {
    let done = usize::try_from(tries.saturating_sub(1)).unwrap_or(0);
    PAUSES.get(done).copied()
}

/// Whether anybody on the internet can have this address: no network of our own is asked on behalf
/// of whoever writes an address down.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        // This network, shared address space, protocol assignments, benchmarks, reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Global unicast; without 6to4 and Teredo, which carry an IPv4 address, and documentation.
    (0x2000..0x4000).contains(&first)
        && first != 0x2002
        && !(first == 0x2001 && (second == 0 || second == 0xdb8))
}

#[cfg(test)]
mod tests;
