//! How often somebody may ask: per address, and per member.
//!
//! What is left is told by every answer (`RateLimit`, `RateLimit-Policy`), so that a client can slow
//! down before it is refused. Each gateway counts for itself.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use quittance_chassis::config;
use quittance_kernel::MemberId;

use crate::problem::Problem;

const WINDOW: Duration = Duration::from_mins(1);

/// How often those who no longer ask are forgotten.
const FORGET: u64 = 60;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Limits of one gateway.
pub(crate) struct Limits {
    address: Option<Limit<IpAddr>>,
    member: Option<Limit<MemberId>>,
    /// How many proxies of ours stand before the gateway.
    proxies: usize,
    refused: Counter<u64>,
}

struct Limit<K: Hash + Eq + Clone> {
    name: &'static str,
    per_minute: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<K, StateInformationMiddleware>,
    started: Instant,
    /// When it was last looked for those who no longer ask, in seconds since the start.
    swept: AtomicU64,
}

/// What somebody may still ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    name: &'static str,
    limit: u32,
    left: u32,
}

/// Carries the allowance of a member from the guard, which finds out who asks, to the edge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<OnceLock<Allowance>>);

impl Meter {
    pub(crate) fn set(&self, allowance: Allowance) {
        // Set twice only if a request was admitted twice; the first one counts.
        let _ = self.0.set(allowance);
    }

    pub(crate) fn get(&self) -> Option<Allowance> {
        self.0.get().copied()
    }
}

impl Limits {
    pub(crate) fn new(config: &config::Gateway) -> Self {
        Self {
            address: Limit::new("address", config.requests_per_minute_by_address),
            member: Limit::new("member", config.requests_per_minute_by_member),
            proxies: usize::try_from(config.trusted_proxies).unwrap_or(usize::MAX),
            refused: opentelemetry::global::meter("quittance")
                .u64_counter("quittance.gateway.rate_limited")
                .with_description("Requests that were refused because there were too many")
                .build(),
        }
    }

    /// Counts a request for its address.
    pub(crate) fn address(&self, request: &Request) -> Result<Option<Allowance>, Problem> {
        if is_exempt(request.uri().path()) {
            return Ok(None);
        }
        let Some(limit) = &self.address else { return Ok(None) };
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let address = client(peer, request.headers(), self.proxies);
        self.counted(limit, &network(address)).map(Some)
    }

    /// Counts a request for the member who sent it.
    pub(crate) fn member(&self, member: MemberId) -> Result<Option<Allowance>, Problem> {
        self.member.as_ref().map(|limit| self.counted(limit, &member)).transpose()
    }

    fn counted<K: Hash + Eq + Clone>(
        &self,
        limit: &Limit<K>,
        key: &K,
    ) -> Result<Allowance, Problem> {
        limit.count(key).inspect_err(|_| self.refused.add(1, &[KeyValue::new("by", limit.name)]))
    }
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(name: &'static str, per_minute: u32) -> Option<Self> {
        let per_minute = NonZeroU32::new(per_minute)?;
        // All of a minute may come at once.
        let quota = Quota::per_minute(per_minute);
        Some(Self {
            name,
            per_minute,
            limiter: RateLimiter::dashmap(quota).with_middleware(),
            started: Instant::now(),
            swept: AtomicU64::new(0),
        })
    }

    fn count(&self, key: &K) -> Result<Allowance, Problem> {
        self.sweep();
        let (name, limit) = (self.name, self.per_minute.get());
        match self.limiter.check_key(key) {
            Ok(state) => Ok(Allowance { name, limit, left: state.remaining_burst_capacity() }),
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let seconds = wait.as_secs().saturating_add(1);
                let detail = format!("more than {limit} requests a minute from one {name}");
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", detail)
                    .with("limit", limit)
                    .with("by", name)
                    .retry_after(seconds))
            }
        }
    }

    /// Forgets those whose allowance is whole again. One request in a minute does this.
    fn sweep(&self) {
        let (now, last) = (self.started.elapsed().as_secs(), self.swept.load(Ordering::Relaxed));
        if last.saturating_add(FORGET) <= now
            && self.swept.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.limiter.retain_recent();
        }
    }
}

impl Allowance {
    /// Writes it as the draft of the IETF's HTTPAPI group has it.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let Self { name, limit, left } = self;
        let window = WINDOW.as_secs();
        // When the allowance is whole again.
        let whole = (u64::from(limit - left.min(limit)) * window).div_ceil(u64::from(limit));
        for (header, text) in [
            (POLICY, format!("\"{name}\";q={limit};w={window}")),
            (LEFT, format!("\"{name}\";r={left};t={whole}")),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(header, value);
            }
        }
    }
}

/// Probes must be answered whatever happens, and what pages load is not worth counting.
fn is_exempt(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics" | "/api/openapi.json")
        || ["/app/assets/", "/api/docs"].iter().any(|start| path.starts_with(start))
}

/// The address that a request comes from: what the outermost of our proxies has seen. What stands
/// further left in the header was written by the client.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: usize) -> IpAddr {
    let lines = headers.get_all(FORWARDED);
    let hops: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(',').map(str::trim))
        .collect();
    let seen = proxies.checked_sub(1).and_then(|before| hops.iter().rev().nth(before));
    seen.and_then(|text| text.parse().ok()).unwrap_or(peer)
}

/// Whoever has one IPv6 address has a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let prefix = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(line: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED, HeaderValue::from_static(line));
        headers
    }

    #[test]
    fn an_address_is_believed_only_from_our_own_proxies() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let headers = forwarded("6.6.6.6, 203.0.113.7, 10.0.0.9");
        for (proxies, seen) in [(0, "10.0.0.1"), (1, "10.0.0.9"), (2, "203.0.113.7")] {
            assert_eq!(client(peer, &headers, proxies).to_string(), seen);
        }
        assert_eq!(client(peer, &headers, 9), peer);
        assert_eq!(client(peer, &forwarded("nonsense"), 1), peer);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let read = |text: &str| network(text.parse().unwrap());
        assert_eq!(read("2001:db8::1"), read("2001:db8::ffff"));
        assert_ne!(read("2001:db8::1"), read("2001:db8:0:1::1"));
        assert_eq!(read("::ffff:192.0.2.1"), read("192.0.2.1"));
    }

    #[test]
    fn whoever_asks_too_often_is_told_when_to_come_back() {
        let limit = Limit::new("member", 2).unwrap();
        let (dana, aibek) = (MemberId::new(), MemberId::new());
        let first = limit.count(&dana).unwrap();
        assert_eq!(first, Allowance { name: "member", limit: 2, left: 1 });
        let mut headers = HeaderMap::new();
        first.write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"member\";q=2;w=60");
        assert_eq!(headers["ratelimit"], "\"member\";r=1;t=30");
        limit.count(&dana).unwrap();
        let refused = limit.count(&dana).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.code.as_ref()), (429, "RATE_LIMITED"));
        let wait = refused.write("t").headers()["retry-after"].to_str().unwrap().parse::<u64>();
        assert!((1..=31).contains(&wait.unwrap()));
        limit.count(&aibek).unwrap();
    }

    #[test]
    fn nothing_is_counted_where_there_is_no_limit() {
        assert!(Limit::<MemberId>::new("member", 0).is_none());
        assert!(is_exempt("/healthz") && is_exempt("/app/assets/app.css"));
        assert!(!is_exempt("/api/me") && !is_exempt("/app/issues"));
    }
}
