//! Idempotency keys: the answer is stored in the transaction of its effect (product.md, rule 7).

use quittance_kernel::Ctx;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};
use sha2::{Digest, Sha256};

use super::{Column, Db, Insert};

/// One client's key for one request.
#[derive(Clone, Debug)]
pub struct Idempotency {
    key: String,
    fingerprint: String,
}

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    #[error("the idempotency key was used before with another request")]
    Reused,
    #[error("the idempotency key must have 1 to 255 characters")]
    BadKey,
    #[error("database failure")]
    Database(#[from] DbErr),
}

/// An answer given earlier to the same request.
pub type Remembered = Vec<u8>;

impl Idempotency {
    /// `key` is empty when the client sent none. `method` and `body` (without the key) identify the
    /// request: the same key with another one is refused.
    pub fn new(key: &str, method: &str, body: &[u8]) -> Result<Option<Self>, IdempotencyError> {
        if key.is_empty() {
            return Ok(None);
        }
        if key.len() > 255 {
            return Err(IdempotencyError::BadKey);
        }
        let mut hash = Sha256::new();
        hash.update(method.as_bytes());
        hash.update([0]);
        hash.update(body);
        let fingerprint = hex::encode(hash.finalize());
        Ok(Some(Self { key: key.to_owned(), fingerprint }))
    }

    /// The stored answer, if the same request was answered before.
    pub async fn recall(&self, db: &Db, ctx: &Ctx) -> Result<Option<Remembered>, IdempotencyError> {
        let sql = if db.is_postgres() {
            "SELECT fingerprint, response FROM idempotency_keys \
             WHERE organization_id = $1 AND member_id = $2 AND key = $3"
        } else {
            "SELECT fingerprint, response FROM idempotency_keys \
             WHERE organization_id = ? AND member_id = ? AND key = ?"
        };
        let binds: [Value; 3] =
            [ctx.organization().0.into(), ctx.member().0.into(), self.key.clone().into()];
        let statement = Statement::from_sql_and_values(db.backend(), sql, binds);
        let Some(row) = db.conn().query_one_raw(statement).await? else { return Ok(None) };
        let fingerprint: String = row.try_get("", "fingerprint")?;
        if fingerprint != self.fingerprint {
            return Err(IdempotencyError::Reused);
        }
        Ok(Some(row.try_get("", "response")?))
    }

    /// The row that remembers the answer, to be written with the effect. Its primary key refuses a
    /// concurrent second request.
    #[must_use]
    pub fn remember(&self, ctx: &Ctx, response: Vec<u8>) -> Insert {
        Insert::into("idempotency_keys")
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("member_id", Column::same_uuid(Some(ctx.member().0)))
            .column("key", Column::same_text(Some(&self.key)))
            .column("fingerprint", Column::same_text(Some(&self.fingerprint)))
            .column("response", Column::Same(response.into(), "bytea"))
            .column("created_at", Column::same_time(Some(ctx.now)))
    }

    /// Whether a refused write was refused because of the key, rather than of the effect.
    #[must_use]
    pub fn refused_by(text: &str) -> bool {
        text.contains("idempotency_keys")
    }
}
