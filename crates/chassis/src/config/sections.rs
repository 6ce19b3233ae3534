//! Every section and key of the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::section::{Scalar, quoted, section};

/// What the process is for. Production refuses what only development may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Development,
    Production,
}

impl Scalar for Mode {
    fn toml(&self) -> Option<String> {
        Some(quoted(match self {
            Self::Development => "development",
            Self::Production => "production",
        }))
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Pretty,
    Json,
}

impl Scalar for LogFormat {
    fn toml(&self) -> Option<String> {
        Some(quoted(match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        }))
    }
}

/// Returns an address of this machine that nobody else can reach.
fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

section! {
    /// The whole configuration.
    Config {
        /// development or production. Production needs `auth.jwks_url` and refuses the development secret.
        mode: Mode = Mode::default(),
        /// Directory of the `SQLite` files and of `gateway.addr`.
        data_dir: PathBuf = PathBuf::from("quittance-data"),
        /// REST, dashboard, sign-in.
        gateway: Gateway = Gateway::default(),
        /// The issues service.
        issues: Backend = Backend::on(50051),
        /// The payouts service.
        payouts: Backend = Backend::on(50052),
        /// The balance service.
        balance: Backend = Backend::on(50053),
        /// Where metrics and probes are served.
        metrics: Metrics = Metrics::default(),
        /// Connections to databases.
        database: Database = Database::default(),
        /// The message bus.
        bus: Bus = Bus::default(),
        /// Limits of the gRPC servers.
        grpc: Grpc = Grpc::default(),
        /// Mutual TLS between the services.
        tls: Tls = Tls::default(),
        /// Who may call.
        auth: Auth = Auth::default(),
        /// What the organizations of this installation allow.
        policy: Policy = Policy::default(),
        /// Numbers of payout accounts.
        accounts: Accounts = Accounts::default(),
        /// Payment rails.
        rails: Rails = Rails::default(),
        /// Outgoing mail.
        mail: Mail = Mail::default(),
        /// Outgoing webhooks.
        webhooks: Webhooks = Webhooks::default(),
        /// Files that people attach to issues.
        attachments: Attachments = Attachments::default(),
        /// How long is kept what nobody needs for ever.
        retention: Retention = Retention::default(),
        /// Projections held against the truth.
        reconciliation: Reconciliation = Reconciliation::default(),
        /// Traces and metrics.
        telemetry: Telemetry = Telemetry::default(),
        /// Log lines.
        log: Log = Log::default(),
    }
}

section! {
    /// The gateway.
    Gateway {
        /// Address of REST and the dashboard. Port 0 picks a free one, written to `data_dir/gateway.addr`.
        listen: SocketAddr = local(8080),
        /// Requests that one member may send in a minute; all of them may come at once. Each gateway counts for itself. 0: no limit.
        requests_per_minute_by_member: u32 = 6_000,
        /// The same for one address (for IPv6, one /64). Probes and files of pages are not counted.
        requests_per_minute_by_address: u32 = 12_000,
        /// How many proxies of one's own stand before the gateway. The address of a client is the one that the outermost of them
        /// has appended to `X-Forwarded-For`. 0: the header is not believed.
        trusted_proxies: u32 = 0,
        /// Streams of events that are open at once; more are refused.
        max_streams: u32 = 10_000,
        /// Other sites whose pages may ask this one, such as `https://ops.example.com`, separated by commas. None when empty.
        cors_origins: String = String::new(),
    }
}

section! {
    /// One of the three services behind the gateway.
    Backend {
        /// Address on which this service serves gRPC.
        listen: SocketAddr = local(0),
        /// Where the others reach this service.
        url: String = String::new(),
        /// sqlite:// or postgres:// of this service alone. Default: a file in `data_dir`.
        database_url: Option<SecretString> = None,
    }
}

impl Backend {
    fn on(port: u16) -> Self {
        let listen = local(port);
        Self { listen, url: format!("http://{listen}"), ..Self::default() }
    }
}

section! {
    /// Metrics and probes of a service.
    Metrics {
        /// Address of /metrics, /healthz and /readyz of a service. The gateway serves its own.
        listen: Option<SocketAddr> = None,
    }
}

section! {
    /// Connections to databases.
    Database {
        /// Connections that each service may hold; on PostgreSQL half of them are for transactions.
        max_connections: u32 = 16,
    }
}

section! {
    /// The message bus.
    Bus {
        /// amqp:// of RabbitMQ. Without it events stay in the process.
        amqp_url: Option<SecretString> = None,
        /// First word of our exchanges and queues, so that installations can share a broker.
        namespace: String = "quittance".to_owned(),
    }
}

section! {
    /// Limits of the gRPC servers.
    Grpc {
        /// Calls that a service works on at once; more are refused with `RESOURCE_EXHAUSTED`.
        max_in_flight: u32 = 512,
        /// Calls that stand and mostly wait, such as streams of notifications; more are refused. The streams of all gateways.
        max_standing: u32 = 20_000,
        /// Seconds for a call that brings no deadline of its own.
        default_deadline_seconds: u64 = 30,
        /// Seconds after which a connection is closed, so that clients spread over new replicas.
        max_connection_age_seconds: Option<u64> = None,
    }
}

section! {
    /// Mutual TLS between the services. All three or none; `issues.url` and the like then begin with https.
    Tls {
        /// Certificate (PEM) that this process shows, with those between it and the authority.
        cert_file: Option<PathBuf> = None,
        /// Its private key (PEM).
        key_file: Option<PathBuf> = None,
        /// Certificate (PEM) of the authority. A caller or a service without a certificate of it is refused.
        ca_file: Option<PathBuf> = None,
    }
}

section! {
    /// Who may call.
    Auth {
        /// Secret of development tokens (HS256). Development only; there is a built-in one.
        dev_secret: Option<SecretString> = None,
        /// Where the keys of the identity provider are published (RS256, ES256, `EdDSA`).
        jwks_url: Option<String> = None,
        /// The issuer that a token must name.
        issuer: Option<String> = None,
        /// The audience that a token must be for.
        audience: Option<String> = None,
        /// Secret of the sessions that we open ourselves (sign-in, view as): at least 32 bytes, the same in all
        /// services. Without it production opens none.
        session_secret: Option<SecretString> = None,
        /// Bearer token with which consumers and jobs call other services.
        service_token: Option<SecretString> = None,
        /// Sign-in of the dashboard.
        oidc: Oidc = Oidc::default(),
    }
}

section! {
    /// Sign-in of the dashboard at an identity provider (`OpenID` Connect, authorization code with PKCE).
    Oidc {
        /// Issuer of the provider, exactly as its tokens name it. Without it nobody signs in there.
        issuer: Option<String> = None,
        /// What the provider knows this installation as.
        client_id: Option<String> = None,
        /// The secret that goes with it.
        client_secret: Option<SecretString> = None,
        /// Where the provider sends people back: `https://<this gateway>/app/sign-in/callback`.
        redirect_url: Option<String> = None,
        /// Id of the organization of those whose tokens have no claim `org`.
        organization: Option<String> = None,
    }
}

section! {
    /// What the organizations of this installation allow.
    Policy {
        /// Whether leads may pay single issues in their cycles.
        leads_may_pay: bool = false,
        /// Hours for which a payout account is not paid after its number was changed. A first number is paid at once.
        account_cooldown_hours: u32 = 24,
    }
}

section! {
    /// Numbers of payout accounts.
    Accounts {
        /// Keys that seal them at rest: `id:key` with 32 bytes in base64, separated by commas. The first seals, the others only
        /// open. Production needs one; development has one of its own.
        keys: Option<SecretString> = None,
    }
}

section! {
    /// Payment rails.
    Rails {
        /// Stripe Connect.
        stripe: Stripe = Stripe::default(),
    }
}

section! {
    /// Stripe Connect.
    Stripe {
        /// Secret key. Without it the rail is off.
        secret_key: Option<SecretString> = None,
        /// Address of the API, for tests.
        base_url: Option<String> = None,
        /// Secret with which incoming webhooks are signed.
        webhook_secret: Option<SecretString> = None,
    }
}

section! {
    /// Outgoing mail.
    Mail {
        /// smtp:// or smtps:// with credentials. Without it no mail is sent.
        smtp_url: Option<SecretString> = None,
        /// Who mail is from. A message is identified by its notification at the domain of this address.
        from: String = "Quittance <quittance@localhost>".to_owned(),
    }
}

section! {
    /// Outgoing webhooks.
    Webhooks {
        /// Whether they may go over plain HTTP and to private addresses. For development: whoever may add a webhook can then ask
        /// what only this machine should reach.
        allow_private: bool = false,
    }
}

section! {
    /// Files that people attach to issues.
    Attachments {
        /// `s3://bucket/prefix`. Without it files are kept in `data_dir/attachments`.
        url: Option<String> = None,
        /// The longest file in bytes.
        max_bytes: u64 = 10 * 1024 * 1024,
        /// Address of a store that speaks S3. Without it the one of AWS in `s3_region`.
        s3_endpoint: Option<String> = None,
        /// Region of the bucket.
        s3_region: String = "us-east-1".to_owned(),
        /// Access key of the bucket. Without it the role of the machine is used.
        s3_access_key_id: Option<SecretString> = None,
        /// The secret of the access key.
        s3_secret_access_key: Option<SecretString> = None,
    }
}

section! {
    /// How long is kept what nobody needs for ever.
    Retention {
        /// Days after which a notification that was read is removed.
        read_notifications_days: u32 = 180,
        /// Days for which a service remembers the events that it has acted on. At least 7: an event that comes again later counts as new.
        inbox_days: u32 = 30,
    }
}

section! {
    /// Projections held against what issues and payouts know, by the balance service.
    Reconciliation {
        /// Minutes between two comparisons of all organizations; 0: only when somebody asks for one.
        every_minutes: u32 = 15,
        /// Seconds that an event may be on its way before its absence is drift.
        grace_seconds: u32 = 120,
    }
}

section! {
    /// Traces and metrics.
    Telemetry {
        /// http:// of an OTLP collector (gRPC). Without it traces are not exported.
        otlp_endpoint: Option<String> = None,
        /// Share of traces that begin here and are kept, from 0 to 1.
        trace_ratio: f64 = 1.0,
    }
}

section! {
    /// Log lines.
    Log {
        /// pretty or json.
        format: LogFormat = LogFormat::default(),
        /// Filter, such as info or `info,quittance_payouts=debug`.
        level: String = "info,opentelemetry=warn,sea_orm_migration=warn,sqlx=warn".to_owned(),
    }
}
