//! A database with the projections in front of it.

use std::collections::BTreeMap;
use std::ops::Deref;

use quittance_balance::{Balance, Balances, Export, LedgerVerdict, Migrator, Projections};
use quittance_chassis::bus::{HandleError, Handler as _, Message};
use quittance_chassis::testing::{TestDb, databases};
use quittance_kernel::{Ctx, MemberId, OrganizationId, Principal, Role, Roles, Timestamp};
use sea_orm::{ConnectionTrait as _, QueryResult, Statement};

pub(crate) struct World {
    pub(crate) balances: Balances,
    pub(crate) projections: Projections,
    pub(crate) db: TestDb,
}

impl Deref for World {
    type Target = Balances;

    fn deref(&self) -> &Balances {
        &self.balances
    }
}

/// One world on SQLite and one on PostgreSQL.
pub(crate) async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for db in databases("balance").await {
        quittance_chassis::db::migrate::<Migrator>(&db).await.unwrap();
        let balances = Balances::new((*db).clone());
        let projections = Projections::new(balances.clone());
        worlds.push(World { balances, projections, db });
    }
    worlds
}

pub(crate) fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

pub(crate) fn ctx(organization: OrganizationId, member: MemberId) -> Ctx {
    let roles = Roles::new([Role::Member]);
    let principal = Principal { organization, member, roles, email: None, impersonator: None };
    Ctx::new(principal, noon(), "request-1".into())
}

impl World {
    pub(crate) async fn handle(&self, messages: &[Message]) -> Result<(), HandleError> {
        self.projections.handle(messages).await
    }

    /// Projects events in batches of the usual size.
    pub(crate) async fn given(&self, messages: &[Message]) {
        for batch in messages.chunks(500) {
            self.handle(batch).await.unwrap();
        }
    }

    pub(crate) async fn balance_of(
        &self,
        organization: OrganizationId,
        member: MemberId,
    ) -> Balance {
        self.balance(&ctx(organization, member)).await.unwrap()
    }

    /// What the accounts of an organization hold, those that hold nothing left out.
    pub(crate) async fn accounts(&self, organization: OrganizationId) -> BTreeMap<String, i64> {
        let sql = "SELECT account, balance FROM ledger_accounts \
                   WHERE organization_id = $1 AND balance <> 0";
        let values = [organization.0.into()];
        let statement = Statement::from_sql_and_values(self.db.backend(), sql, values);
        let rows = self.db.conn().query_all_raw(statement).await.unwrap();
        let account = |row: &QueryResult| {
            (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())
        };
        rows.iter().map(account).collect()
    }

    /// Proves the book of an organization.
    pub(crate) async fn verified(&self, organization: OrganizationId) -> LedgerVerdict {
        self.verify_ledger(&ctx(organization, MemberId::new())).await.unwrap()
    }

    pub(crate) async fn assert_exact(&self) {
        assert_eq!(self.drift().await.unwrap(), Vec::<String>::new());
    }
}

/// Reads a file to its end.
pub(crate) async fn whole(mut export: Export) -> String {
    let mut file = Vec::new();
    while let Some(chunk) = export.recv().await {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= 64 * 1024);
        file.extend(chunk);
    }
    String::from_utf8(file).unwrap()
}
