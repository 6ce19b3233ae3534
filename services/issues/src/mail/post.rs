//! What the mailer reads and writes of notifications.

use chrono::TimeDelta;
use quittance_chassis::clock;
use quittance_chassis::db::{Db, Tx};
use quittance_kernel::{Ctx, OrganizationId, Principal, Timestamp};
use uuid::Uuid;

use super::Fate;
use crate::error::Error;
use crate::store::mail::{Claim, Letter, claim, give_up, put_off, sent};

/// How many letters are claimed at once. All of them fit into a lease, even if each runs into the
/// timeout of the mail server.
const BATCH: u32 = 10;
const LEASE: TimeDelta = TimeDelta::minutes(10);

/// Older notifications are not mailed: they are of a time without a mail server, or out of date.
const WORTH_MAILING: TimeDelta = TimeDelta::days(3);

/// The pause after the first failure; each further one is twice as long, up to an hour.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(10);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// The mailer's access to the database. Letters of all organizations go out by the same door, hence
/// it acts in nobody's name.
pub(super) struct PostOffice {
    db: Db,
}

impl PostOffice {
    pub(super) fn new(db: Db) -> Self {
        Self { db }
    }

    /// Takes the next letters.
    pub(super) async fn claim(&self) -> Result<Vec<Letter>, Error> {
        let tx = self.begin().await?;
        let now = tx.ctx().now;
        let next = Claim { since: now - WORTH_MAILING, lease: now + LEASE, limit: BATCH };
        let letters = claim(&tx, next).await?;
        tx.commit().await?;
        Ok(letters)
    }

    /// Gives back a letter that was not tried.
    pub(super) async fn release(&self, letter: &Letter) -> Result<(), Error> {
        let tx = self.begin().await?;
        put_off(&tx, letter.id, tx.ctx().now).await?;
        Ok(tx.commit().await?)
    }

    /// Notes what became of a letter.
    pub(super) async fn mark(&self, letter: &Letter, fate: Fate) -> Result<(), Error> {
        let tx = self.begin().await?;
        match fate {
            Fate::Sent => sent(&tx, letter.id).await?,
            Fate::Failed(why) => {
                tracing::warn!(notification.id = %letter.id, why, "mail is tried again later");
                put_off(&tx, letter.id, tx.ctx().now + pause(letter.mail_tries)).await?;
            }
            Fate::Refused(why) => {
                tracing::warn!(notification.id = %letter.id, why, "mail is given up");
                give_up(&tx, letter.id, &why).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    async fn begin(&self) -> Result<Tx, Error> {
        let now: Timestamp = clock::now();
        let nobody = Principal::service(OrganizationId(Uuid::nil()));
        Ok(Tx::begin(&self.db, &Ctx::new(nobody, now, "mail".to_owned())).await?)
    }
}

fn pause(tries: i64) -> TimeDelta {
    let doublings = tries.saturating_sub(1).clamp(0, 20);
    FIRST_PAUSE.checked_mul(1 << doublings).map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_that_is_down_is_left_in_peace_for_longer_and_longer() {
        assert_eq!(pause(1), TimeDelta::seconds(10));
        assert_eq!(pause(3), TimeDelta::seconds(40));
        assert_eq!(pause(100), LONGEST_PAUSE);
        assert_eq!(pause(i64::MAX), LONGEST_PAUSE);
    }
}
