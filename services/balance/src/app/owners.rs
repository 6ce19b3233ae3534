//! Those who own what is projected here: issues and payouts, asked for what they know now.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quittance_chassis::auth::Verifier;
use quittance_chassis::bus::Message;
use quittance_chassis::clock;
use quittance_chassis::config::{Config, ConfigError, Mode};
use quittance_chassis::grpc::{Caller, Client, secured};
use quittance_kernel::{Ctx, OrganizationId, Principal, Timestamp};
use quittance_proto::snapshots::v1 as proto;
use quittance_proto::snapshots::v1::snapshot_service_client::SnapshotServiceClient;
use secrecy::SecretString;
use uuid::Uuid;

/// How long a token is good for that is made for one call.
const MOMENT: Duration = Duration::from_mins(5);

/// How long an owner may take for one page.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many entities are asked for at once.
pub(super) const PAGE: i32 = 500;

macro_rules! entities {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// What there are snapshots of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Entity { $($(#[$doc])* $name),+ }

        impl Entity {
            /// In the order in which a rebuild replays them: names before what is shown with them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

entities! {
    Member = "member",
    Cycle = "cycle",
    Issue = "issue",
    /// What issues have earned.
    Earning = "earning",
    /// What schedules pay.
    Schedule = "schedule",
    Payout = "payout",
    Commission = "commission",
    /// What partners owe back.
    Receivable = "receivable",
}

impl Entity {
    fn is_of_issues(self) -> bool {
        match self {
            Self::Member | Self::Cycle | Self::Issue => true,
            Self::Earning | Self::Schedule | Self::Payout | Self::Commission | Self::Receivable => {
                false
            }
        }
    }
}

/// One entity as its owner knows it now, in the words of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub id: Uuid,
    pub changed_at: Timestamp,
    pub told: Message,
}

/// A sum over entities in one state and currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedTotal {
    pub entity: String,
    pub state: String,
    pub currency: String,
    pub count: i64,
    pub minor: i64,
}

/// Why an owner did not answer.
#[derive(Debug, thiserror::Error)]
pub enum OwnersError {
    #[error("{owner} did not answer: {status}")]
    Refused { owner: &'static str, status: String },
    #[error("the answer of {owner} cannot be understood: {problem}")]
    Garbled { owner: &'static str, problem: String },
    #[error("nobody is there to ask")]
    Nobody,
}

/// Asks issues and payouts.
#[async_trait]
pub trait Owners: fmt::Debug + Send + Sync + 'static {
    /// All organizations there are.
    async fn organizations(&self) -> Result<Vec<OrganizationId>, OwnersError>;

    /// Entities of one kind in the order of their ids: a page after one of them, or, when there are
    /// `ids`, these. Empty at the end.
    async fn list(
        &self,
        organization: OrganizationId,
        entity: Entity,
        after: Uuid,
        ids: &[Uuid],
    ) -> Result<Vec<Snapshot>, OwnersError>;

    /// Payouts that were paid from the first instant on and before the second: a page of them in the
    /// order of their ids, after one of them.
    async fn paid_between(
        &self,
        organization: OrganizationId,
        period: (Timestamp, Timestamp),
        after: Uuid,
    ) -> Result<Vec<Snapshot>, OwnersError>;

    /// Counts and sums.
    async fn totals(&self, organization: OrganizationId) -> Result<Vec<OwnedTotal>, OwnersError>;
}

/// The owners as services.
#[derive(Clone)]
pub struct Remote {
    issues: SnapshotServiceClient<Client>,
    payouts: SnapshotServiceClient<Client>,
    verifier: Arc<Verifier>,
    token: Option<SecretString>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

const ISSUES: &str = "issues";
const PAYOUTS: &str = "payouts";

impl Remote {
    /// The services at their configured addresses; `None` in production without a way to sign in
    /// there: `auth.service_token` or `auth.session_secret`.
    pub fn from_config(config: &Config) -> anyhow::Result<Option<Self>> {
        let auth = &config.auth;
        let silent = auth.service_token.is_none() && auth.session_secret.is_none();
        if config.mode == Mode::Production && silent {
            return Ok(None);
        }
        let client = |url: &str| secured(url, &config.tls).map(SnapshotServiceClient::new);
        Ok(Some(Self {
            issues: client(&config.issues.url)?,
            payouts: client(&config.payouts.url)?,
            verifier: Verifier::from_config(auth, config.mode)?,
            token: auth.service_token.clone(),
        }))
    }

    /// As [`Remote::from_config`], for those who cannot do without.
    pub fn required(config: &Config) -> anyhow::Result<Self> {
        Self::from_config(config)?.ok_or_else(|| {
            let problem = "must be set, or auth.session_secret, to ask the other services";
            let problem = problem.to_owned();
            ConfigError::Refused { key: "auth.service_token", problem }.into()
        })
    }

    fn caller(&self, owner: &'static str) -> Result<Caller, OwnersError> {
        let principal = Principal::service(OrganizationId(Uuid::nil()));
        let token = match &self.token {
            Some(token) => token.clone(),
            None => self
                .verifier
                .mint(&principal, MOMENT)
                .map(SecretString::from)
                .map_err(|error| OwnersError::Refused { owner, status: error.to_string() })?,
        };
        let ctx = Ctx::new(principal, clock::now(), Uuid::now_v7().to_string());
        Ok(Caller::new(ctx, &token, std::time::Instant::now().checked_add(PATIENCE)))
    }

    async fn page(
        &self,
        owner: &'static str,
        message: proto::ListSnapshotsRequest,
    ) -> Result<Vec<proto::Snapshot>, OwnersError> {
        let mut client = if owner == ISSUES { self.issues.clone() } else { self.payouts.clone() };
        let answer = client.list_snapshots(self.caller(owner)?.request(message)).await;
        let answer = answer.map_err(|status| refused(owner, &status))?;
        Ok(answer.into_inner().snapshots)
    }
}

fn refused(owner: &'static str, status: &tonic::Status) -> OwnersError {
    OwnersError::Refused { owner, status: format!("{:?}: {}", status.code(), status.message()) }
}

fn garbled(owner: &'static str, problem: &str) -> OwnersError {
    OwnersError::Garbled { owner, problem: problem.to_owned() }
}

fn id(owner: &'static str, text: &str) -> Result<Uuid, OwnersError> {
    text.parse().map_err(|_| garbled(owner, "an id is none"))
}

#[async_trait]
impl Owners for Remote {
    async fn organizations(&self) -> Result<Vec<OrganizationId>, OwnersError> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let message = proto::ListSnapshotsRequest {
                entity: "organization".to_owned(),
                after_id: after,
                page_size: PAGE,
                ..Default::default()
            };
            let page = self.page(ISSUES, message).await?;
            let Some(last) = page.last().map(|last| last.entity_id.clone()) else {
                return Ok(all);
            };
            for found in &page {
                all.push(OrganizationId(id(ISSUES, &found.entity_id)?));
            }
            after = last;
        }
    }

    async fn list(
        &self,
        organization: OrganizationId,
        entity: Entity,
        after: Uuid,
        ids: &[Uuid],
    ) -> Result<Vec<Snapshot>, OwnersError> {
        let owner = if entity.is_of_issues() { ISSUES } else { PAYOUTS };
        let message = proto::ListSnapshotsRequest {
            organization_id: organization.to_string(),
            entity: entity.as_str().to_owned(),
            after_id: after.to_string(),
            entity_ids: ids.iter().map(ToString::to_string).collect(),
            page_size: if ids.is_empty() { PAGE } else { 1_000 },
            ..Default::default()
        };
        let page = self.page(owner, message).await?;
        page.into_iter().map(|found| snapshot(owner, organization, found)).collect()
    }

    async fn paid_between(
        &self,
        organization: OrganizationId,
        (from, to): (Timestamp, Timestamp),
        after: Uuid,
    ) -> Result<Vec<Snapshot>, OwnersError> {
        let message = proto::ListSnapshotsRequest {
            organization_id: organization.to_string(),
            entity: Entity::Payout.as_str().to_owned(),
            after_id: after.to_string(),
            page_size: PAGE,
            paid_from: Some(stamp(from)),
            paid_to: Some(stamp(to)),
            ..Default::default()
        };
        let page = self.page(PAYOUTS, message).await?;
        page.into_iter().map(|found| snapshot(PAYOUTS, organization, found)).collect()
    }

    async fn totals(&self, organization: OrganizationId) -> Result<Vec<OwnedTotal>, OwnersError> {
        let ask = async |owner: &'static str, mut client: SnapshotServiceClient<Client>| {
            let organization_id = organization.to_string();
            let message = proto::GetSnapshotTotalsRequest { organization_id };
            let answer = client.get_snapshot_totals(self.caller(owner)?.request(message)).await;
            Ok(answer.map_err(|status| refused(owner, &status))?.into_inner().totals)
        };
        let (issues, payouts): (Vec<_>, Vec<_>) =
            tokio::try_join!(ask(ISSUES, self.issues.clone()), ask(PAYOUTS, self.payouts.clone()))?;
        let total = |total: proto::SnapshotTotal| OwnedTotal {
            entity: total.entity,
            state: total.state,
            currency: total.currency_code,
            count: total.count,
            minor: total.amount_minor,
        };
        Ok(issues.into_iter().chain(payouts).map(total).collect())
    }
}

fn stamp(at: Timestamp) -> prost_types::Timestamp {
    // Less than a second, hence within 32 bits.
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default();
    prost_types::Timestamp { seconds: at.timestamp(), nanos }
}

/// Reads an answer; the event's own id is in its envelope.
fn snapshot(
    owner: &'static str,
    organization: OrganizationId,
    found: proto::Snapshot,
) -> Result<Snapshot, OwnersError> {
    let changed = found.change_time.unwrap_or_default();
    let nanos = changed.nanos.unsigned_abs();
    let changed_at = chrono::DateTime::from_timestamp(changed.seconds, nanos)
        .ok_or_else(|| garbled(owner, "a time is none"))?;
    let id = id(owner, &found.entity_id)?;
    let told = Message {
        id: Uuid::now_v7(),
        kind: found.event_type,
        organization: organization.0,
        subject: id,
        body: found.event.into(),
        traceparent: None,
    };
    Ok(Snapshot { id, changed_at, told })
}
