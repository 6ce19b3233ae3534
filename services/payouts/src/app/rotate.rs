//! Sealing the numbers of accounts with the newest key.

use quittance_chassis::db::{Db, WriteError, retrying};
use quittance_kernel::Timestamp;
use uuid::Uuid;

use super::Error;
use crate::keyring::Keyring;
use crate::store;

/// How many accounts are sealed anew at once.
const CHUNK: i64 = 500;

/// Seals every account anew that the first key has not sealed; returns how many there were. An
/// account that is changed meanwhile is left to its own change, which seals with the first key too.
/// `progress` is told how many are done, and of how many.
pub async fn rotate(
    db: &Db,
    keys: &Keyring,
    now: Timestamp,
    progress: impl Fn(i64, i64),
) -> Result<i64, Error> {
    let current = keys.current()?;
    let total = store::account::count_otherwise(db, current).await?;
    let (mut after, mut done) = (Uuid::nil(), 0);
    loop {
        let found = store::account::sealed_otherwise(db, current, after, CHUNK).await?;
        let Some(last) = found.last().map(|kept| kept.account.id) else { return Ok(done) };
        let mut sealed = Vec::with_capacity(found.len());
        for kept in found {
            let plain = keys.open(&kept.bound(), &kept.sealed)?;
            let anew = keys.seal(&kept.bound(), &plain)?;
            sealed.push((kept, anew));
        }
        match retrying(|| store::account::reseal(now, &sealed).commit(db)).await {
            Ok(()) => {
                done += i64::try_from(sealed.len()).unwrap_or(i64::MAX);
                after = last;
                progress(done, total);
            }
            // Somebody has changed one of them: the same ones are looked at again.
            Err(WriteError::Stale) => {}
            Err(error) => return Err(Error::Write(error)),
        }
    }
}
