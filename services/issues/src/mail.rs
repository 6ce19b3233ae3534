//! Notifications by e-mail, when a mail server is configured.
//!
//! SMTP cannot promise "exactly once": a letter is marked after the server has said 250, so that
//! none is lost, and a crash between the two sends it again. Both copies carry the same
//! `Message-ID`, which is made of the notification's id; and there is one notification for an event.

mod letter;
mod post;

use std::time::Duration;

use anyhow::Context as _;
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use quittance_chassis::config::{ConfigError, Mail};
use quittance_chassis::problem::chain;
use secrecy::ExposeSecret as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::post::PostOffice;
use crate::app::{Ear, Issues};
use crate::error::Error;
use crate::store::mail::Letter;

/// How often is looked when nobody rings: another process may have written.
const POLL: Duration = Duration::from_secs(5);

/// How long the mail server may take for one command.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends letters.
struct Mailer {
    office: PostOffice,
    ear: Ear,
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

/// What became of a letter.
enum Fate {
    Sent,
    /// Worth another try.
    Failed(String),
    /// No later try would end differently.
    Refused(String),
}

/// Starts the mailer if there is a mail server; what it returns ends after `shutdown`.
pub(crate) fn spawn(
    config: &Mail,
    issues: &Issues,
    shutdown: CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let Some(url) = &config.smtp_url else { return Ok(tokio::spawn(std::future::ready(()))) };
    let refused = |key, problem: &str| ConfigError::Refused { key, problem: problem.to_owned() };
    let from = config.from.parse().map_err(|_| refused("mail.from", "is no address"))?;
    // The error could show the address, which holds a password.
    let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
        .map_err(|_| refused("mail.smtp_url", "must be smtp:// or smtps://"))
        .context("mail")?
        .timeout(Some(PATIENCE))
        .build();
    let office = PostOffice::new(issues.db().clone());
    let mailer = Mailer { office, ear: issues.bell().listen(), from, transport };
    Ok(tokio::spawn(mailer.run(shutdown)))
}

impl Mailer {
    async fn run(mut self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.round(&shutdown).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::error!(error = %chain(&error), "mail stands still"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.ear.hear(|_| true) => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Sends the next letters, each marked as soon as it is gone. Whether there may be more.
    async fn round(&self, shutdown: &CancellationToken) -> Result<bool, Error> {
        let letters = self.office.claim().await?;
        let mut more = !letters.is_empty();
        for letter in letters {
            if shutdown.is_cancelled() {
                // Somebody else may have it at once.
                self.office.release(&letter).await?;
                continue;
            }
            let fate = self.send(&letter).await;
            // A server in trouble is not asked for the whole backlog at once.
            more &= !matches!(fate, Fate::Failed(_));
            self.office.mark(&letter, fate).await?;
        }
        Ok(more)
    }

    async fn send(&self, letter: &Letter) -> Fate {
        let message = match letter::compose(&self.from, letter) {
            Ok(message) => message,
            Err(why) => return Fate::Refused(why),
        };
        match self.transport.send(message).await {
            Ok(_) => Fate::Sent,
            Err(error) if error.is_permanent() => Fate::Refused(chain(&error)),
            Err(error) => Fate::Failed(chain(&error)),
        }
    }
}
