//! Calls to Stripe: one request, one reply, and no guess about what has become of it.

use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{Stripe, VERSION};
use crate::metrics::METRICS;

/// The longest reply that is read; a page of a hundred objects is about 300 KiB.
const MAX_REPLY: usize = 2 * 1024 * 1024;

/// How often a call is made when Stripe was too busy for it. It did nothing then.
const TRIES: u32 = 3;

/// The pause where Stripe names none; doubled each time.
const PAUSE: Duration = Duration::from_millis(200);

/// What Stripe said.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Said {
        status: u16,
        /// Null when it cannot be read.
        body: Value,
    },
    /// No answer has come, or none can before we have to give up.
    Lost,
}

/// Fields of a request, in their order. Nested ones are written `metadata[attempt]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub(super) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| other != name);
        self
    }

    pub(super) fn encoded(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

impl Stripe {
    pub(super) async fn get(&self, path: &str, query: &Form) -> Reply {
        let query = query.encoded();
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        self.call(Method::GET, &path, None, None).await
    }

    pub(super) async fn post(&self, path: &str, form: &Form, key: Option<&str>) -> Reply {
        self.call(Method::POST, path, Some(form.encoded()), key).await
    }

    /// Calls until there is an answer other than "too busy", within our patience.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        key: Option<&str>,
    ) -> Reply {
        let deadline = Instant::now() + self.0.patience;
        let mut pause = PAUSE;
        for place in 1..=TRIES {
            if !self.waited(deadline).await {
                return Reply::Lost;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let request = self.request(method.clone(), path, body.clone(), key).timeout(left);
            let response = match request.send().await {
                Ok(response) => response,
                Err(error) => {
                    // Without the address, whose query may name a customer.
                    let error = quittance_chassis::problem::chain(&error.without_url());
                    tracing::warn!(error, "Stripe did not answer");
                    METRICS.provider_called("none");
                    return Reply::Lost;
                }
            };
            let status = response.status();
            METRICS.provider_called(class(status));
            if status == StatusCode::TOO_MANY_REQUESTS && place < TRIES {
                match retry_after(&response) {
                    // All calls wait, whatever they are about.
                    Some(wait) => self.pause_until(Instant::now() + wait),
                    None => tokio::time::sleep(jittered(pause)).await,
                }
                pause *= 2;
                continue;
            }
            if status == StatusCode::TOO_MANY_REQUESTS
                && let Some(wait) = retry_after(&response)
            {
                self.pause_until(Instant::now() + wait);
            }
            return read(response).await;
        }
        Reply::Lost
    }

    /// Waits as long as Stripe has asked us to; false when that is longer than we can.
    async fn waited(&self, deadline: Instant) -> bool {
        match self.paused_until() {
            Some(until) if deadline <= until => false,
            Some(until) => {
                tokio::time::sleep_until(until.into()).await;
                true
            }
            None => Instant::now() < deadline,
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        key: Option<&str>,
    ) -> reqwest::RequestBuilder {
        let mut request = self
            .0
            .client
            .request(method, format!("{}{path}", self.0.base))
            .bearer_auth(self.0.key.expose_secret())
            .header("stripe-version", VERSION);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        match body {
            Some(body) => {
                request.header("content-type", "application/x-www-form-urlencoded").body(body)
            }
            None => request,
        }
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..300 => "2xx",
        429 => "429",
        500.. => "5xx",
        _ => "4xx",
    }
}

/// Seconds, as Stripe gives them.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.to_str().ok()?;
    let seconds: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Between half of it and all of it, so that not everybody comes back at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}

async fn read(mut response: Response) -> Reply {
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= MAX_REPLY => {
                bytes.extend_from_slice(&chunk);
            }
            Ok(None) => break,
            // Cut off or endless: whatever was done is done.
            Ok(Some(_)) | Err(_) => return Reply::Lost,
        }
    }
    Reply::Said { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_written_as_stripe_reads_them() {
        let form = Form::default().with("metadata[attempt]", "1 2").with("currency", "usd");
        assert_eq!(form.encoded(), "metadata%5Battempt%5D=1+2&currency=usd");
        assert_eq!(form.without("currency").encoded(), "metadata%5Battempt%5D=1+2");
    }

    #[test]
    fn pauses_are_scattered_and_never_longer() {
        for _ in 0..100 {
            let pause = jittered(PAUSE);
            assert!(PAUSE / 2 <= pause && pause <= PAUSE, "{pause:?}");
        }
    }
}
