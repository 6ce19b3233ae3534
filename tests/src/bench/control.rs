//! The control of `bench pay`: what one would write first with the ORM: for each issue of the batch
//! read the row, check it, save it, insert the payment, the audit row and the event; one
//! transaction around all.

use quittance_chassis::clock;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, Database, DatabaseConnection, EntityTrait, TransactionTrait};
use uuid::Uuid;

use super::floor::body;

macro_rules! entity {
    ($name:ident, $table:literal, { $($field:ident: $kind:ty),* $(,)? }) => {
        mod $name {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub(super) struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub id: Uuid,
                $(pub $field: $kind),*
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub(super) enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

entity!(items, "items", {
    organization_id: Uuid, payee_id: Uuid, amount_minor: i64, currency: String, status: String,
    version: i64, updated_at: ChronoDateTimeUtc,
});
entity!(payments, "payments", {
    organization_id: Uuid, item_id: Uuid, payee_id: Uuid, amount_minor: i64, currency: String,
    method: String, reference: String, paid_at: ChronoDateTimeUtc, live: bool,
});
entity!(audit, "audit", {
    organization_id: Uuid, at: ChronoDateTimeUtc, actor_id: Uuid, action: String, entity_id: Uuid,
    before: Option<String>, after: Option<String>,
});
entity!(outbox, "outbox", {
    organization_id: Uuid, kind: String, subject: Uuid, body: String,
});

/// The ORM over the lean floor's tables.
pub struct Control(DatabaseConnection);

impl Control {
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        Ok(Self(Database::connect(url).await?))
    }

    /// Pays these items one by one.
    #[expect(clippy::disallowed_methods, reason = "what one would write first; nobody cancels it")]
    pub async fn pay(&self, ids: &[Uuid]) -> anyhow::Result<()> {
        let tx = self.0.begin().await?;
        let now = clock::now();
        for id in ids {
            let item = items::Entity::find_by_id(*id).one(&tx).await?;
            let item = item.filter(|item| item.status == "approved");
            let item = item.ok_or_else(|| anyhow::anyhow!("{id} is not approved"))?;
            let payment = payments::ActiveModel {
                id: Set(Uuid::now_v7()),
                organization_id: Set(item.organization_id),
                item_id: Set(item.id),
                payee_id: Set(item.payee_id),
                amount_minor: Set(item.amount_minor),
                currency: Set(item.currency.clone()),
                method: Set("kaspi".to_owned()),
                reference: Set("KASPI-1".to_owned()),
                paid_at: Set(now),
                live: Set(true),
            };
            let event = outbox::ActiveModel {
                id: Set(Uuid::now_v7()),
                organization_id: Set(item.organization_id),
                kind: Set("payout.issue_paid".to_owned()),
                subject: Set(item.id),
                body: Set(body(&item.id)),
            };
            let entry = audit::ActiveModel {
                id: Set(Uuid::now_v7()),
                organization_id: Set(item.organization_id),
                at: Set(now),
                actor_id: Set(Uuid::nil()),
                action: Set("paid".to_owned()),
                entity_id: Set(item.id),
                before: Set(Some("{\"status\":\"approved\"}".to_owned())),
                after: Set(Some("{\"status\":\"paid\"}".to_owned())),
            };
            let version = item.version + 1;
            let mut item: items::ActiveModel = item.into();
            item.status = Set("paid".to_owned());
            item.version = Set(version);
            item.updated_at = Set(now);
            item.update(&tx).await?;
            payment.insert(&tx).await?;
            entry.insert(&tx).await?;
            event.insert(&tx).await?;
        }
        Ok(tx.commit().await?)
    }
}
