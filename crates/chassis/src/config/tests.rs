use super::*;

use secrecy::ExposeSecret as _;

fn environment(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn an_empty_machine_gets_the_defaults() {
    let config = Config::load_with(None, HashMap::new()).unwrap();
    assert_eq!(config.mode, Mode::Development);
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.payouts.listen.port(), 50052);
    assert_eq!(config.balance.url, "http://127.0.0.1:50053");
    assert!(config.bus.amqp_url.is_none());
    assert_eq!(
        config.database_url(&config.issues, "issues").expose_secret(),
        "sqlite://quittance-data/issues.db?mode=rwc"
    );
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let file = file("[gateway]\nlisten = \"127.0.0.1:1\"\n[payouts]\nurl = \"http://pay:1\"\n");
    let variables = environment(&[
        ("QUITTANCE__GATEWAY__LISTEN", "127.0.0.1:0"),
        ("QUITTANCE__DATABASE__MAX_CONNECTIONS", "3"),
        ("QUITTANCE__AUTH__DEV_SECRET", "0123"),
        ("QUITTANCE__BUS__AMQP_URL", ""),
        ("QUITTANCE__METRICS__LISTEN", "0.0.0.0:9000"),
        ("OTHER__GATEWAY__LISTEN", "nonsense"),
    ]);
    let config = Config::load_with(Some(file.path()), variables).unwrap();
    assert_eq!(config.gateway.listen.port(), 0);
    assert_eq!(config.payouts.url, "http://pay:1");
    assert_eq!(config.payouts.listen.port(), 50052, "a partial section keeps its own defaults");
    assert_eq!(config.database.max_connections, 3);
    assert_eq!(config.auth.dev_secret.unwrap().expose_secret(), "0123", "a secret stays text");
    assert!(config.bus.amqp_url.is_none(), "an empty variable is not set");
    assert_eq!(config.metrics.listen.unwrap().port(), 9000);
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for (text, key) in [
        ("colour = 1", "colour"),
        ("[gateway]\nlisten_on = \"x\"", "gateway.listen_on"),
        ("[rails.stripe]\nkey = \"x\"", "rails.stripe.key"),
        ("[rails.paypal]\nkey = \"x\"", "rails.paypal.key"),
        ("[gateway.listen]\nport = 1", "gateway.listen"),
    ] {
        let file = file(text);
        let error = Config::load_with(Some(file.path()), HashMap::new()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
    let variables = environment(&[("QUITTANCE__AUTH__JWKS", "x")]);
    let error = Config::load_with(None, variables).unwrap_err().to_string();
    assert!(error.contains("`auth.jwks`"), "{error}");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_without_showing_secrets() {
    let variables = environment(&[("QUITTANCE__DATABASE__MAX_CONNECTIONS", "many")]);
    let error = Config::load_with(None, variables).unwrap_err();
    let text = crate::problem::chain(&error);
    assert!(text.contains("max_connections"), "{text}");
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let error = Config::load_with(Some(Path::new("absent.toml")), HashMap::new()).unwrap_err();
    assert!(error.to_string().contains("absent.toml"));
}

#[test]
fn the_reference_reads_back_as_the_defaults() {
    let file = file(&Config::reference());
    let read = Config::load_with(Some(file.path()), HashMap::new()).unwrap();
    let mut keys = Vec::new();
    section::Section::describe(&read, "", "", &mut keys);
    assert_eq!(keys, Config::keys());
    for key in &keys {
        assert!(!key.about.is_empty(), "{} is not described", key.path);
    }
}

#[test]
fn the_keys_that_deployments_rely_on_exist() {
    let keys: Vec<String> = Config::keys().into_iter().map(|entry| entry.path).collect();
    for key in [
        "mode",
        "data_dir",
        "gateway.listen",
        "issues.listen",
        "payouts.listen",
        "balance.listen",
        "metrics.listen",
        "issues.database_url",
        "payouts.database_url",
        "balance.database_url",
        "bus.amqp_url",
        "issues.url",
        "payouts.url",
        "balance.url",
        "auth.dev_secret",
        "auth.session_secret",
        "auth.jwks_url",
        "auth.issuer",
        "auth.audience",
        "auth.service_token",
        "rails.stripe.secret_key",
        "rails.stripe.base_url",
        "rails.stripe.webhook_secret",
        "mail.smtp_url",
        "mail.from",
        "telemetry.otlp_endpoint",
        "log.format",
    ] {
        assert!(keys.iter().any(|known| known == key), "{key} is missing");
    }
}

#[test]
fn secrets_do_not_print() {
    let secrets: Vec<String> = Config::keys()
        .into_iter()
        .filter(|key| key.secret)
        .map(|key| format!("QUITTANCE__{}", key.path.to_uppercase().replace('.', "__")))
        .collect();
    assert!(secrets.len() >= 8, "{secrets:?}");
    let variables = secrets.iter().map(|name| (name.clone(), "hunter2".to_owned())).collect();
    let config = Config::load_with(None, variables).unwrap();
    let mut keys = Vec::new();
    section::Section::describe(&config, "", "", &mut keys);
    let shown = format!("{config:?} {}", section::reference(&keys));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(shown.matches("REDACTED").count(), 2 * secrets.len());
}
