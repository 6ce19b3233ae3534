//! Loads the demo organizations through the public interfaces, as its people would have.

mod bounties;
mod data;
mod programmes;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use data::{Person, Stage};
use quittance_chassis::auth::Verifier;
use quittance_chassis::clock;
use quittance_chassis::config::Config;
use quittance_chassis::grpc::{self, Caller, Client};
use quittance_kernel::{Ctx, OrganizationId, Principal, Role, Roles, Severity};
use quittance_proto::balance::v1::GetBalanceRequest;
use quittance_proto::balance::v1::balance_service_client::BalanceServiceClient;
use quittance_proto::common::v1 as common;
use quittance_proto::issues::v1::cycle_service_client::CycleServiceClient;
use quittance_proto::issues::v1::issue_service_client::IssueServiceClient;
use quittance_proto::issues::v1::member_service_client::MemberServiceClient;
use quittance_proto::issues::v1::product_service_client::ProductServiceClient;
use quittance_proto::issues::v1::{self as issues, GateSetting};
use quittance_proto::payouts::v1::payout_service_client::PayoutServiceClient;
use quittance_proto::payouts::v1::{self as payouts};
use tonic::{Code, Status};
use uuid::Uuid;

/// How long the printed tokens are good for.
const TOKEN_LIFE: Duration = Duration::from_hours(12);

/// Someone who can sign in.
pub struct SignIn {
    pub name: &'static str,
    pub role: &'static str,
    pub token: String,
}

/// What the demo has loaded, or found loaded.
pub struct Demo {
    pub people: Vec<SignIn>,
    /// Whether this call loaded it.
    pub loaded: bool,
}

struct Desk {
    issues: IssueServiceClient<Client>,
    cycles: CycleServiceClient<Client>,
    products: ProductServiceClient<Client>,
    payouts: PayoutServiceClient<Client>,
    balance: BalanceServiceClient<Client>,
    admin: Caller,
}

/// Loads the demo organizations unless they are there already.
pub async fn load(config: &Config) -> anyhow::Result<Demo> {
    let verifier = Verifier::from_config(&config.auth, config.mode)?;
    let issues = grpc::client(&config.issues.url)?;
    let mut members = MemberServiceClient::new(issues.clone());
    let mut enter =
        async |organization, person| sign_in(&mut members, &verifier, organization, person).await;
    let admin = enter(data::ORGANIZATION, &data::ADMIN).await?;
    let lead = enter(data::ORGANIZATION, &data::LEAD).await?;
    let mut testers = Vec::new();
    for person in &data::TESTERS {
        testers.push(enter(data::ORGANIZATION, person).await?);
    }
    let sara = enter(data::PARTNER_ORGANIZATION, &data::PARTNER_ADMIN).await?;
    let partner = enter(data::PARTNER_ORGANIZATION, &data::PARTNER).await?;
    let keeper = enter(data::PLACEMENT_ORGANIZATION, &data::KEEPER).await?;
    let recruiter = enter(data::PLACEMENT_ORGANIZATION, &data::RECRUITER).await?;
    let founder = enter(data::BOUNTY_ORGANIZATION, &data::FOUNDER).await?;
    let mut contributors = Vec::new();
    for person in &data::CONTRIBUTORS {
        contributors.push(enter(data::BOUNTY_ORGANIZATION, person).await?);
    }
    let channel = grpc::client(&config.payouts.url)?;
    let mut desk = Desk {
        issues: IssueServiceClient::new(issues.clone()),
        cycles: CycleServiceClient::new(issues.clone()),
        products: ProductServiceClient::new(issues.clone()),
        payouts: PayoutServiceClient::new(channel.clone()),
        balance: BalanceServiceClient::new(grpc::client(&config.balance.url)?),
        admin: admin.0.clone(),
    };
    let loaded = desk.is_empty().await?;
    if loaded {
        let cycles = desk.open_cycles(&lead.0).await?;
        let callers: Vec<Caller> = testers.iter().map(|(caller, _)| caller.clone()).collect();
        desk.work(&cycles, &callers).await?;
        desk.settle(&callers).await?;
        programmes::partners(&channel, &sara.0, &partner.0).await?;
        programmes::placements(&channel, &keeper.0, &recruiter.0).await?;
        let callers: Vec<Caller> = contributors.iter().map(|(caller, _)| caller.clone()).collect();
        bounties::load(&issues, &channel, &founder.0, &callers).await?;
    }
    let others = [sara, partner, keeper, recruiter, founder];
    let all = [admin, lead].into_iter().chain(testers).chain(others).chain(contributors);
    let people = all.map(|(_, person)| person).collect();
    Ok(Demo { people, loaded })
}

async fn sign_in(
    members: &mut MemberServiceClient<Client>,
    verifier: &Verifier,
    organization: &str,
    person: &'static Person,
) -> anyhow::Result<(Caller, SignIn)> {
    let request = issues::EnsureMemberRequest {
        email: person.email.to_owned(),
        name: person.name.to_owned(),
        organization: organization.to_owned(),
        roles: vec![person.role.to_owned()],
    };
    let desk = front_desk(verifier)?;
    let member = members.ensure_member(desk.request(request)).await?.into_inner().member;
    let member = member.context("EnsureMember answered without a member")?;
    let role: Role = person.role.parse()?;
    let principal = Principal {
        organization: member.organization_id.parse()?,
        member: member.member_id.parse()?,
        roles: Roles::new([role]),
        email: Some(member.email),
        impersonator: None,
    };
    let token = verifier.mint(&principal, TOKEN_LIFE)?;
    let ctx = Ctx::new(principal, clock::now(), "demo".to_owned());
    let caller = Caller::new(ctx, &token.clone().into(), None);
    Ok((caller, SignIn { name: person.name, role: person.role, token }))
}

/// The caller in whose name members are created: this installation itself.
pub fn front_desk(verifier: &Verifier) -> anyhow::Result<Caller> {
    let principal = Principal::service(OrganizationId(Uuid::nil()));
    let token = verifier.mint(&principal, TOKEN_LIFE)?;
    let ctx = Ctx::new(principal, clock::now(), Uuid::now_v7().to_string());
    Ok(Caller::new(ctx, &token.into(), None))
}

impl Desk {
    async fn is_empty(&mut self) -> Result<bool, Status> {
        let all =
            self.products.list_products(self.admin.request(issues::ListProductsRequest::default()));
        Ok(all.await?.into_inner().products.is_empty())
    }

    async fn open_cycles(&mut self, lead: &Caller) -> anyhow::Result<Vec<String>> {
        let mut products = Vec::new();
        for (name, key, gate) in data::PRODUCTS {
            let request = issues::CreateProductRequest {
                name: name.to_owned(),
                key: key.to_owned(),
                requires_verification: Some(gate),
                ..Default::default()
            };
            let made =
                self.products.create_product(self.admin.request(request)).await?.into_inner();
            products.push(made.product.context("no product")?.product_id);
        }
        let mut cycles = Vec::new();
        for sweep in &data::SWEEPS {
            let gate = match sweep.gate {
                None => GateSetting::Inherit,
                Some(true) => GateSetting::Required,
                Some(false) => GateSetting::NotRequired,
            };
            let rates = sweep.critical.map(|critical| issues::PayoutRates {
                critical: Some(critical),
                currency_code: "KZT".to_owned(),
                ..Default::default()
            });
            let request = issues::CreateCycleRequest {
                product_id: products[sweep.product].clone(),
                name: sweep.name.to_owned(),
                gate: gate.into(),
                payout_rates: rates,
                lead_ids: vec![lead.ctx.member().to_string()],
                ..Default::default()
            };
            let made = self.cycles.create_cycle(self.admin.request(request)).await?.into_inner();
            cycles.push(made.cycle.context("no cycle")?.cycle_id);
        }
        Ok(cycles)
    }

    /// Files, decides, verifies and pays everything in `data::WORK`.
    async fn work(&mut self, cycles: &[String], testers: &[Caller]) -> anyhow::Result<()> {
        let mut filed = Vec::new();
        for work in data::WORK {
            for turn in 0..work.count {
                let request = issues::CreateIssueRequest {
                    cycle_id: cycles[work.sweep].clone(),
                    title: data::title(work.severity, filed.len() + turn).to_owned(),
                    body: "Steps, expected and actual result, device and build.".to_owned(),
                    severity: severity(work.severity).into(),
                    ..Default::default()
                };
                let request = testers[work.tester].request(request);
                let issue = self.issues.create_issue(request).await?.into_inner().issue;
                filed.push((issue.context("no issue")?.issue_id, work));
            }
        }
        let decided: Vec<String> = filed
            .iter()
            .filter(|(_, work)| !matches!(work.stage, Stage::Open | Stage::Triaged))
            .map(|(id, _)| id.clone())
            .collect();
        for hundred in decided.chunks(100) {
            self.approve(hundred).await?;
        }
        for (id, work) in &filed {
            let gated = work.sweep == data::HACKORDA;
            let status = match work.stage {
                Stage::Triaged => common::IssueStatus::Triaged,
                Stage::Verified => common::IssueStatus::Verified,
                Stage::Paid if gated => common::IssueStatus::Verified,
                Stage::Open | Stage::Approved | Stage::Paid => continue,
            };
            let request = issues::SetIssueStatusRequest {
                issue_id: id.clone(),
                status: status.into(),
                ..Default::default()
            };
            self.issues.set_issue_status(self.admin.request(request)).await?;
        }
        let paid: Vec<_> = filed.iter().filter(|(_, work)| work.stage == Stage::Paid).collect();
        self.pay(&paid, testers).await
    }

    async fn approve(&mut self, ids: &[String]) -> anyhow::Result<()> {
        let decisions = ids
            .iter()
            .map(|id| issues::TriageDecision {
                issue_id: id.clone(),
                decision: Some(issues::triage_decision::Decision::Approve(
                    issues::TriageApproval::default(),
                )),
            })
            .collect();
        let request = issues::DecideTriageRequest { decisions, ..Default::default() };
        let reply = self.issues.decide_triage(self.admin.request(request)).await?.into_inner();
        let refused: Vec<_> = reply.results.iter().filter(|result| !result.ok).collect();
        ensure!(refused.is_empty(), "approvals were refused: {refused:?}");
        Ok(())
    }

    async fn pay(
        &mut self,
        paid: &[&(String, &data::Work)],
        testers: &[Caller],
    ) -> anyhow::Result<()> {
        let groups = (0..testers.len())
            .map(|tester| payouts::PayGroup {
                payee_id: testers[tester].ctx.member().to_string(),
                issue_ids: paid
                    .iter()
                    .filter(|(_, work)| work.tester == tester)
                    .map(|(id, _)| id.clone())
                    .collect(),
                method: common::Method::Kaspi.into(),
                reference: format!("KASPI-2026-05-{:03}", tester + 1),
            })
            .collect();
        let request = payouts::BatchPayRequest {
            net_receivables: false,
            request_id: Uuid::now_v7().to_string(),
            groups,
            on_blocked: payouts::OnBlocked::Fail.into(),
        };
        let reply = self.payouts.batch_pay(self.admin.request(request)).await?.into_inner();
        match reply.outcome {
            Some(payouts::batch_pay_response::Outcome::Paid(_)) => Ok(()),
            other => anyhow::bail!("the demo batch was not paid: {other:?}"),
        }
    }

    /// Waits until the balances have heard of everything.
    async fn settle(&mut self, testers: &[Caller]) -> anyhow::Result<()> {
        let filed: usize = data::WORK.iter().map(|work| work.count).sum();
        let paid: usize =
            data::WORK.iter().filter(|w| w.stage == Stage::Paid).map(|work| work.count).sum();
        for _ in 0..200 {
            let (mut seen, mut settled) = (0, 0);
            for tester in testers {
                let request = tester.request(GetBalanceRequest::default());
                let balance = match self.balance.get_balance(request).await {
                    Ok(reply) => reply.into_inner(),
                    Err(status) if status.code() == Code::NotFound => continue,
                    Err(status) => return Err(status.into()),
                };
                seen += usize::try_from(balance.filed_count)?;
                for cycle in balance.cycles {
                    settled += usize::try_from(cycle.paid)?;
                }
            }
            if (seen, settled) == (filed, paid) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the balances did not follow the demo data within ten seconds")
    }
}

fn severity(severity: Severity) -> common::Severity {
    match severity {
        Severity::Critical => common::Severity::Critical,
        Severity::High => common::Severity::High,
        Severity::Medium => common::Severity::Medium,
        Severity::Low => common::Severity::Low,
    }
}
